"""Evaluate trained models on a corpus they were not trained on: other timbres, moved notes."""

import pandas as pd
import torch

from camil.corpus.corpus import Corpus
from camil.encoders.classifier import load_classifier
from camil.encoders.hub import load_encoder
from camil.evaluation.finished_runs import FinishedRun
from camil.evaluation.metrics import predictions_table, retrieval
from camil.training.embed import embed


def predictions_on(run: FinishedRun, corpus: str, device: str = "cpu") -> pd.DataFrame:
    """Predict the instruments of a corpus' test songs with a run's classifier.

    Args:
        run: folder of a run of ``03_classify``.
        corpus: folder of a corpus.
        device: device of the computations.

    Returns:
        A table of predictions, see `camil.evaluation.metrics`.

    Raises:
        FileNotFoundError: if the folder contains no corpus, or the run no classifier.
        ValueError: if it is an audio classifier and the corpus has no audio.
    """
    classifier = load_classifier(run.folder / "classifier.safetensors").to(device)
    reads_notes = classifier.encoder.modality == "midi"
    data = Corpus(corpus, device, onsets=reads_notes and classifier.encoder.config["channels"] == 2)
    rows = data.rows("test")
    logits = embed(classifier, data.rolls if reads_notes else data.mels, rows)
    probabilities = logits.cpu().double().softmax(1).numpy()
    return predictions_table(data.table.iloc[rows.cpu()], probabilities, classifier.classes)


def retrieval_on(
    run: FinishedRun, corpus: str, points: int, seed: int = 0, device: str = "cpu"
) -> dict[str, float]:
    """Retrieval of the audio of test segments by their notes, with a run's two encoders.

    Args:
        run: folder of a run of ``02_pretrain``.
        corpus: folder of a corpus.
        points: largest number of segments; the same ones are drawn for every run, and for every
            corpus that has the same notes.
        seed: random seed of the draw.
        device: device of the computations.

    Returns:
        The metrics of `camil.evaluation.metrics.retrieval`, and ``segments``, their number.
    """
    midi = load_encoder(run.folder / "encoder.safetensors").to(device)
    audio = load_encoder(run.folder / "audio_encoder.safetensors").to(device)
    data = Corpus(corpus, device, onsets=midi.config["channels"] == 2)
    test = data.rows("test")
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    chosen = test[order[:points].sort().values.to(test.device)]
    sides = embed(midi, data.rolls, chosen), embed(audio, data.mels, chosen)
    return retrieval(*(side.cpu().numpy() for side in sides)) | {"segments": len(chosen)}
