"""Retrieval of sound by notes and of notes by sound, with the two encoders of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from camil.corpus.corpus import Corpus
from camil.encoders.hub import Encoder, load_encoder
from camil.evaluation.comparisons import origin_of_audio
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.metrics import rank_metrics, retrieval
from camil.losses import LOSSES
from camil.training.embed import embed

DIRECTIONS = ("notes to sound", "sound to notes")
METRICS = ("R@1", "R@5", "R@10", "MRR")
CHANCE = "chance"  # name of the row or method of a random order
_TITLES = {"contrastive": "contrastive, margin", "infonce": "InfoNCE", "sigmoid": "sigmoid pairs"}


def is_joint(run: FinishedRun) -> bool:
    """Whether a run of ``02_pretrain`` has embedded notes and audio in one space.

    An objective whose targets are the outputs of a classifier trains no such space, although the
    run holds both encoders.
    """
    objective = run.record["parameters"].get("objective", "")
    both = (run.folder / "audio_encoder.safetensors").is_file() and not run.metrics
    return both and objective in LOSSES and LOSSES[objective].teacher != "classifier"


def joint_encoders(
    run: FinishedRun, corpus: str, device: str = "cpu"
) -> tuple[Encoder, Encoder, Corpus]:
    """The MIDI and the audio encoder of a run, and a corpus that draws rolls as they need them.

    Args:
        run: a run of ``02_pretrain``.
        corpus: folder of a corpus.
        device: device of the computations.

    Raises:
        FileNotFoundError: if the folder contains no corpus, or the run no encoder.
        ValueError: if a file is damaged.
    """
    midi = load_encoder(run.folder / "encoder.safetensors", modality="midi").to(device)
    audio = load_encoder(run.folder / "audio_encoder.safetensors", modality="audio").to(device)
    velocity = run.record["parameters"].get("velocity", False)
    data = Corpus(corpus, device, onsets=midi.config["channels"] == 2, velocity=velocity)
    return midi, audio, data


def retrieval_on(
    run: FinishedRun, corpus: str, points: int, seed: int = 0, device: str = "cpu"
) -> pd.DataFrame:
    """Retrieval of the audio of test segments by their notes and back, with a run's encoders.

    Args:
        run: a run of ``02_pretrain``.
        corpus: folder of a corpus.
        points: largest number of segments; the same ones are drawn for every run, and for every
            corpus that has the same notes.
        seed: random seed of the draw.
        device: device of the computations.

    Returns:
        One row for each of `DIRECTIONS`: ``direction``, the metrics of
        `camil.evaluation.metrics.retrieval`, and ``segments``, their number.
    """
    midi, audio, data = joint_encoders(run, corpus, device)
    test = data.rows("test")
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    chosen = test[order[:points].sort().values.to(test.device)]
    sides = embed(midi, data.rolls, chosen), embed(audio, data.mels, chosen)
    notes, sound = (side.cpu().numpy() for side in sides)
    found = [retrieval(notes, sound), retrieval(sound, notes)]
    return pd.DataFrame(found).assign(segments=len(chosen)).set_axis(DIRECTIONS).rename_axis(
        "direction"
    ).reset_index()  # fmt: skip


def retrieval_by_chance(segments: int) -> dict[str, float]:
    """The expected metrics of `camil.evaluation.metrics.retrieval` in a random order.

    Args:
        segments: number of segments that are ranked.
    """
    return rank_metrics(np.arange(1, segments + 1))  # all ranks are equally likely


def retrieval_table(
    runs: Sequence[FinishedRun], unseen: str, points: int, seed: int = 0, device: str = "cpu"
) -> pd.DataFrame:
    """Retrieval after each pre-training on all songs, averaged over the seeds of its runs.

    Args:
        runs: finished runs, among them those that the pre-trainings build on. Those without a joint
            space or on a share of the songs are ignored.
        unseen: folder of a corpus in other timbres, on which all are tested as well; empty for
            none.
        points, seed, device: as for `retrieval_on`.

    Returns:
        One row per pre-training, corpus and direction, and one per corpus and direction for a
        random order (`CHANCE`): ``run``, its name without the seed, ``objective``, ``negatives``,
        ``audio``, the origin of the audio encoder and whether it was trained, ``tested on``,
        ``direction``, the metrics, ``segments`` and ``seeds``.
    """
    by_name = {run.folder.name: run.record["parameters"] for run in runs}
    found = []
    for run in runs:
        made = run.record["parameters"]
        if not is_joint(run) or made["train_fraction"] < 1:
            continue
        about = {
            "run": run.name_without_seed,
            "objective": _TITLES.get(made["objective"], made["objective"]),
            "negatives": made["negatives"],
            "audio": origin_of_audio(made, by_name),
            "seed": made["seed"],
        }
        for corpus in filter(None, dict.fromkeys([run.record["corpus"]["folder"], unseen])):
            search = retrieval_on(run, corpus, points, seed, device)
            found.append(search.assign(**about, **{"tested on": Path(corpus).name}))
    if not found:
        return pd.DataFrame()
    keys = ["run", "objective", "negatives", "audio", "tested on", "direction", "segments"]
    groups = pd.concat(found).groupby(keys, sort=False)
    means = groups[list(METRICS)].mean().assign(seeds=groups["seed"].nunique()).reset_index()
    means = means.sort_values(["tested on", "direction", "MRR"], ascending=[True, True, False])
    tests = means[["tested on", "direction", "segments"]].drop_duplicates()
    chances = [retrieval_by_chance(segments) for segments in tests["segments"]]
    random = tests.assign(run=CHANCE, objective="", negatives="", audio="", seeds=0)
    random = random.assign(**pd.DataFrame(chances, index=tests.index))
    return pd.concat([means, random], ignore_index=True)
