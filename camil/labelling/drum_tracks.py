"""Probability that a track on a pitched channel plays drums.

Transcription models and faulty exports put drums on pitched channels. A logistic regression on five
features of a track finds them; it was fitted by ``python -m benchmarks.scattered_parts --fit
drums``. Drum sounds are numbered as in the General MIDI percussion map.
"""

import numpy as np
import pandas as pd

from camil.midi.score import Score, Track

# Sounds of a drum kit: bass drums, side stick, snares, hi-hats, crash and ride cymbals.
KIT = (35, 36, 37, 38, 40, 42, 44, 46, 49, 51)
_DRUMS, _CYMBALS = (35, 36, 38, 40), (42, 44, 46, 51)
FEATURES = ("kit", "backbone", "short", "equal_lengths", "chroma")
# Intercept, then one coefficient per feature.
COEFFICIENTS = np.array([-6.432, 4.629, 15.87, 2.759, 2.043, -3.464])
_SHORT = 0.3  # quarter notes
_LONGEST = 4.0  # quarter notes; longer notes are cut
_FEW = 5.0  # notes added to the denominators of shares, so that short tracks do not get extremes


def drum_probabilities(score: Score) -> pd.Series:
    """Probability of drums per track, indexed by the tracks' names.

    Tracks that the file itself marks as drums have 1.
    """
    features = drum_features(score)
    logits = COEFFICIENTS[0] + features.to_numpy() @ COEFFICIENTS[1:]
    probabilities = pd.Series(1 / (1 + np.exp(-logits)), features.index)
    probabilities[[track.is_drum for track in score.tracks]] = 1.0
    return probabilities


def drum_features(score: Score) -> pd.DataFrame:
    """Features of each track that distinguish drums from pitched parts.

    Shares are of the track's notes. ``kit``: sounds of a drum kit. ``backbone``: the smaller of the
    shares of bass drum and snare, and of hi-hat and ride cymbal. ``short``: shorter than 0.3
    quarter notes. ``equal_lengths``: with the most frequent length. ``chroma``: agreement of pitch
    classes with the other tracks, measure by measure; 0 if the pitch classes do not follow those of
    the other tracks.

    Returns:
        One row per track, indexed by its name.
    """
    chroma = np.stack([_chroma(track, score) for track in score.tracks])  # (tracks, measures, 12)
    total = chroma.sum(axis=0)
    rows = [
        _features(track, own, total - own) for track, own in zip(score.tracks, chroma, strict=True)
    ]
    return pd.DataFrame(rows, [track.name for track in score.tracks], list(FEATURES))


def _features(track: Track, own: np.ndarray, others: np.ndarray) -> list[float]:
    pitch, count = track.pitch, len(track.pitch)
    length = np.round((track.end_beat - track.start_beat) * 24)
    _, same_length = np.unique(length, return_counts=True)

    def share(mask: np.ndarray) -> float:
        return mask.sum() / (count + _FEW)

    return [
        share(np.isin(pitch, KIT)),
        min(share(np.isin(pitch, _DRUMS)), share(np.isin(pitch, _CYMBALS))),
        share(length < 24 * _SHORT),
        same_length.max() / (count + _FEW),
        _fit(own, others),
    ]


def _chroma(track: Track, score: Score) -> np.ndarray:
    """``(measures, 12)``, quarter notes that each pitch class sounds, by the measure of onset."""
    measure = np.searchsorted(score.measures, track.start_beat + 1e-6, side="right") - 1
    size = len(score.measures) - 1
    cell = np.minimum(measure, size - 1) * 12 + track.pitch % 12
    length = np.minimum(track.end_beat - track.start_beat, _LONGEST)
    return np.bincount(cell, length, 12 * size).reshape(size, 12)


def _fit(own: np.ndarray, others: np.ndarray) -> float:
    """Agreement of two ``(measures, 12)`` chromagrams beyond that of their averages.

    It is the mean over measures of the scalar product of the track's distribution with the others',
    less that with the others' mean over the song, in units of the product of uniform distributions.
    """
    present = (own.sum(axis=1) > 0) & (others.sum(axis=1) > 0)
    if not present.any():
        return 0.0
    own, others = own[present], others[present]
    own = own / own.sum(axis=1, keepdims=True)
    others = others / others.sum(axis=1, keepdims=True)
    return float((own * (others - others.mean(axis=0))).sum(axis=1).mean() * 12)
