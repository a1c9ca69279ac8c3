"""The provenance that an executed notebook prints."""

import json
import re

from camil.workbook import account
from camil.workbook.account import Account
from camil.workbook.provenance import commit


def test_account_prints_parameters_data_and_commit(tmp_path, capsys):
    record = {"corpus": {"source": "demo", "sha256": "0123456789abcdef"}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    parameters = {f"parameter_{i}": i / 7 for i in range(30)} | {"figure": "a folder/b c"}
    Account(parameters, tmp_path)
    printed = capsys.readouterr().out
    for name, value in parameters.items():
        assert f"{name}={value!r}" in printed
    assert "0123456789ab" in printed
    assert "0123456789abc" not in printed
    assert commit() in printed
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d, ", printed)
    assert max(map(len, printed.splitlines()[2:])) <= 100


def test_close_prints_elapsed_time_and_results(tmp_path, capsys, monkeypatch):
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
