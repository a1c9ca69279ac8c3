"""Trained models on another corpus than their own: other timbres, notes moved."""

import pandas as pd
import torch

from camil.corpus.corpus import Corpus
from camil.encoders.classifier import load_classifier
from camil.encoders.hub import load_encoder
from camil.evaluation.metrics import predictions_table, retrieval
from camil.evaluation.results import FinishedRun
from camil.training.embed import embed


def predictions_on(run: FinishedRun, corpus: str, device: str = "cpu") -> pd.DataFrame:
    """What a classifier says about the test songs of a corpus.

    Args:
        run: of 03_classify.
        corpus: the folder of a corpus.

    Raises:
        FileNotFoundError: if the folder holds no corpus, or the run no classifier.
        ValueError: if it is an audio classifier and the corpus has no sound.
    """
    classifier = load_classifier(run.folder / "classifier.safetensors").to(device)
    reads = classifier.encoder.modality == "midi"
    data = Corpus(corpus, device, onsets=reads and classifier.encoder.config["channels"] == 2)
    rows = data.rows("test")
    logits = embed(classifier, data.rolls if reads else data.mels, rows)
    probabilities = logits.cpu().double().softmax(1).numpy()
    return predictions_table(data.table.iloc[rows.cpu()], probabilities, classifier.classes)


def retrieval_on(
    run: FinishedRun, corpus: str, points: int, seed: int = 0, device: str = "cpu"
) -> dict[str, float]:
    """How well the notes of test segments find their own sound among that of `points` segments.

    Args:
        run: of 02_pretrain.
        corpus: the folder of a corpus.
        points: segments drawn at most; the same ones for every run and every corpus that has the
            same notes.

    Returns:
        What `camil.evaluation.retrieval` returns, and ``segments``, how many there were.
    """
    midi = load_encoder(run.folder / "encoder.safetensors").to(device)
    audio = load_encoder(run.folder / "audio_encoder.safetensors").to(device)
    data = Corpus(corpus, device, onsets=midi.config["channels"] == 2)
    test = data.rows("test")
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    chosen = test[order[:points].sort().values.to(test.device)]
    sides = embed(midi, data.rolls, chosen), embed(audio, data.mels, chosen)
    return retrieval(*(side.cpu().numpy() for side in sides)) | {"segments": len(chosen)}
