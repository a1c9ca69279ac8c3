"""What an executed notebook tells of itself."""

import json
import re

from camil.workbook import account
from camil.workbook.account import Account
from camil.workbook.provenance import commit


def test_the_top_tells_every_parameter_the_data_the_commit_and_the_device(tmp_path, capsys):
    record = {"corpus": {"source": "demo", "sha256": "0123456789abcdef"}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    parameters = {f"parameter_{i}": i / 7 for i in range(30)} | {"figure": "a folder/b c"}
    Account(parameters, tmp_path, "cuda:0")
    told = capsys.readouterr().out
    for name, value in parameters.items():
        assert f"{name}={value!r}" in told
    assert "0123456789ab" in told
    assert "0123456789abc" not in told
    assert commit() in told
    assert "on cuda:0" in told
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d, ", told)
    assert max(map(len, told.splitlines()[2:])) <= 100


def test_the_end_tells_how_long_it_took_and_where_the_results_are(tmp_path, capsys, monkeypatch):
    times = iter([100.0, 225.2])
    monkeypatch.setattr(account.time, "perf_counter", lambda: next(times))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    information = {"source": {"name": "slakh"}, "sha256": {"segments.parquet": "f" * 64}}
    (corpus / "corpus.json").write_text(json.dumps(information))
    Account({}).close(corpus, "figures/fig2.png")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        f"Finished in 2 min 5 s. Results: {corpus} (slakh, sha256 ffffffffffff), figures/fig2.png"
    )
