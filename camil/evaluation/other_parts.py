"""Score the probability that a part belongs to none of the instruments."""

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from camil.corpus.songs import Songs
from camil.encoders.precision import single_precision
from camil.encoders.song import SONGS_PER_BATCH
from camil.encoders.song_ensemble import SongEnsemble
from camil.midi.instruments import InstrumentTable


@torch.no_grad()
def other_probabilities(
    ensemble: SongEnsemble, songs: Songs, chosen: Tensor
) -> tuple[Tensor, Tensor]:
    """The probability of each track to belong to no class, read in its song.

    Args:
        ensemble: networks that predict programs, in evaluation mode.
        chosen: ``(songs,)`` int64, indices of the songs.

    Returns:
        ``(tracks,)`` float64 probabilities, and the indices of the tracks among all of ``songs``.

    Raises:
        ValueError: if the ensemble has no instrument table.
    """
    if ensemble.instruments is None:
        raise ValueError("the ensemble has no instrument table, so its programs have no classes")
    programs = InstrumentTable.from_json(ensemble.instruments).other_programs
    device = next(ensemble.parameters()).device
    found, tracks = [], []
    for part in chosen.split(SONGS_PER_BATCH):
        batch = songs.batch(part).to(device)
        with single_precision():
            embedded = [member.embed(batch) for member in ensemble.members]
            of_programs = ensemble.programs(embedded).double().exp()
        found.append(of_programs[:, programs].sum(1).cpu())
        tracks.append(batch.tracks.cpu())
    return torch.cat(found), torch.cat(tracks)


def other_scores(
    ensemble: SongEnsemble, songs: Songs, chosen: Tensor, labels: Tensor
) -> dict[str, float]:
    """How well the probability separates parts of no class from the others.

    Args:
        labels: ``(tracks,)`` int64, class of each track of ``songs``; -1 for no class.

    Returns:
        ``tracks`` of no class, ``auc`` (area under the ROC curve), and ``precision`` and ``recall``
        of the answer "other", given from a probability of one half. NaN where undefined.
    """
    probabilities, tracks = other_probabilities(ensemble, songs, chosen)
    is_other = labels[tracks] < 0
    answered = probabilities >= 0.5
    right = (answered & is_other).sum().item()
    both = 0 < is_other.sum() < len(is_other)
    return {
        "tracks": int(is_other.sum()),
        "auc": float(roc_auc_score(is_other, probabilities)) if both else float("nan"),
        "precision": right / max(answered.sum().item(), 1) if answered.any() else float("nan"),
        "recall": right / is_other.sum().item() if is_other.any() else float("nan"),
    }
