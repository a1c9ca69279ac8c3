"""How CAMIL+ does on songs of other origin than those it was trained on.

    python -m benchmarks.elsewhere camil/pretrained corpora/elsewhere

reads every song of a corpus that `01_preprocess` wrote from another collection (`audio: false` is
enough) and compares what the notes say with the programs of the files. Nothing is chosen here: the
network, its temperatures and its threshold are as they come.
"""

import argparse
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import torch

from benchmarks.provenance import provenance
from camil.corpus.corpus import Corpus
from camil.corpus.songs import Songs
from camil.encoders.song import LEVELS, SongEnsemble, load_songs, read_songs
from camil.evaluation.calibration import expected_calibration_error
from camil.evaluation.metrics import bootstrap_interval, predictions_table, scores
from camil.labelling.label import SURE
from camil.midi.instruments import INSTRUMENTS
from camil.workbook.files import write_json


def read_elsewhere(ensemble: SongEnsemble, corpus: Path) -> dict[str, dict]:
    """Of each level: macro-F1 with its interval over songs, accuracy, how many labels are sure and
    how many of these are right, and the calibration error. Tracks count once at the levels track
    and song, segments at the level segment."""
    songs, data = Songs(pq.read_table(corpus / "segments.parquet")), Corpus(corpus)
    reading, numbers = read_songs(ensemble, songs, torch.arange(len(songs)), torch.device("cpu"))
    first = songs.first_segments().numpy()
    found = {}
    for level, logits in zip(LEVELS, reading, strict=True):
        rows = numbers["segments"].numpy() if level == "segment" else first[numbers["tracks"]]
        table = predictions_table(data.table.iloc[rows], logits.exp().double().numpy(), INSTRUMENTS)
        found[level] = _told(table)
    return found


def _told(table: pd.DataFrame) -> dict[str, float]:
    shares = table.filter(like="p_").to_numpy()
    right = (table["instrument"] == table["predicted"]).to_numpy()
    sure = shares.max(axis=1) >= SURE
    low, high = bootstrap_interval([table])
    of_all = scores(table["instrument"], table["predicted"])
    true = pd.Index(INSTRUMENTS).get_indexer(table["instrument"])
    return {
        "rows": len(table),
        "macro_f1": of_all["macro_f1"],
        "macro_f1_low": low,
        "macro_f1_high": high,
        "accuracy": of_all["accuracy"],
        "sure": float(sure.mean()),
        "accuracy_where_sure": float(right[sure].mean()) if sure.any() else float("nan"),
        "calibration_error": expected_calibration_error(shares, true),
        "per_class_f1": of_all["per_class_f1"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pretrained", type=Path, help="folder that holds songs.safetensors")
    parser.add_argument("corpus", type=Path, help="corpus of another collection")
    parser.add_argument("--output", type=Path, help="a JSON file for the result")
    given = parser.parse_args()
    corpus = Corpus(given.corpus)
    ensemble = load_songs(given.pretrained / "songs.safetensors")
    found = read_elsewhere(ensemble, given.corpus)
    shown = pd.DataFrame(found).T.drop(columns="per_class_f1").astype(float)
    print(shown.round(3).to_string())
    if given.output:
        about = {"corpus": corpus.identity, "songs": int(corpus.table["song"].nunique())}
        write_json(given.output, provenance(torch.device("cpu")) | about | {"levels": found})


if __name__ == "__main__":
    main()
