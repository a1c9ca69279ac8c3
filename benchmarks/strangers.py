"""How sure CAMIL+ may be on music of other origin than the music it was trained on.

    python -m benchmarks.strangers corpora/permissive camil/pretrained --epochs 24

Temperatures fitted on validation songs hold for songs of the same collections; whoever labels a
file of their own has another. So each collection of a corpus (the folder its songs lie in) is left
out once: a network is trained on the others and reads it. The temperatures that make these readings
as sure as they are right replace those of the ensemble in the second folder, whose labels stay the
same. The longer a network is trained the surer it is, so these are to be trained for as many epochs
as the ensemble was. What that is worth on a third corpus, `benchmarks.elsewhere` tells.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.ablation import Data, train
from benchmarks.provenance import provenance
from camil.encoders.song import LEVELS, load_songs, read_songs, save_songs
from camil.evaluation.calibration import expected_calibration_error, fit_temperature
from camil.training.devices import choose_device
from camil.workbook.files import write_json


def left_out(data: Data, epochs: int, made: dict, strength: float, device) -> dict[str, tuple]:
    """Of each level, logits and true classes of all songs, read by networks that did not know
    their collection and are otherwise made in the same way."""
    collections = np.array([name.split("/")[-2].split("-")[0] for name in data.songs.song_names])
    everything, found = torch.arange(len(data.songs)), {level: [] for level in LEVELS}
    for collection in sorted(set(collections)):
        foreign = torch.from_numpy(collections == collection)
        known = torch.zeros(len(foreign), dtype=torch.bool)
        known[data.of_split["train"]] = True
        splits = {"train": known & ~foreign, "validation": ~known & ~foreign}
        of_split = {name: everything[chosen] for name, chosen in splits.items()}
        part = replace(data, of_split=of_split)
        network = train(part, device, epochs, 0, made=made, strength=strength)
        reading, numbers = read_songs(network, data.songs, everything[foreign], device)
        true = data.labels[numbers["segments"]], *[data.of_track[numbers["tracks"]]] * 2
        for level, logits, labels in zip(LEVELS, reading, true, strict=True):
            found[level].append((logits, labels))
        print(f"{collection}: {int(foreign.sum())} songs read", flush=True)
    return {
        level: tuple(torch.cat(parts).numpy() for parts in zip(*read, strict=True))
        for level, read in found.items()
    }


def main() -> None:
    """Fit the temperatures, write them into the ensemble and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("pretrained", type=Path, help="folder that holds songs.safetensors")
    parser.add_argument("--epochs", type=int, required=True, help="as the ensemble was trained")
    parser.add_argument("--strength", type=float, default=1.0, help="as the ensemble was trained")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/strangers.json"))
    given = parser.parse_args()
    device, file = choose_device("auto"), given.pretrained / "songs.safetensors"
    ensemble = load_songs(file)
    config = ensemble.members[0].config
    made = {name: config[name] for name in ("order", "velocity", "performance")}
    data, told = Data.of(given.corpus), {}
    strange = left_out(data, given.epochs, made, given.strength, device)
    for level, (logits, true) in strange.items():
        temperature = fit_temperature(logits, true)
        shares = torch.from_numpy(logits / temperature).softmax(1).numpy()
        before = torch.from_numpy(logits).softmax(1).numpy()
        told[level] = {
            "temperature": temperature,
            "temperature_on_validation_songs": ensemble.temperatures[level],
            "calibration_error": expected_calibration_error(shares, true),
            "calibration_error_untempered": expected_calibration_error(before, true),
        }
        ensemble.temperatures[level] = temperature
        print(level, told[level], flush=True)
    save_songs(file, ensemble)
    about = {"corpus": data.identity, "epochs": given.epochs, "strength": given.strength}
    about |= {"made": made, "levels": told}
    write_json(given.output, provenance(device) | about)


if __name__ == "__main__":
    main()
