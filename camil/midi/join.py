"""Join several tracks of a score into one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from camil.midi.score import Track

_NOTES = ("pitch", "velocity", "start_beat", "end_beat", "start_seconds", "end_seconds")


def join_tracks(tracks: Sequence[Track]) -> Track:
    """All notes of several tracks, sorted by start and pitch, with the other fields of the first.

    Args:
        tracks: one or more tracks of one score.
    """
    notes = {name: np.concatenate([getattr(one, name) for one in tracks]) for name in _NOTES}
    order = np.lexsort((notes["pitch"], notes["start_beat"]))
    return replace(tracks[0], **{name: values[order] for name, values in notes.items()})
