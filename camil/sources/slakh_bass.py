"""The octave shifts that Slakh's generator applies to Bass, for use on other music."""

import numpy as np

LOWEST, HIGHEST = 35, 79  # MIDI note numbers


def as_in_slakh(pitch: np.ndarray) -> np.ndarray:
    """Convert Bass notes of `all_src.mid` to those of `MIDI/SXX.mid` in Slakh2100.

    They are folded by octaves into 35..79 and then moved up an octave (ethman/slakh-generation,
    issue 2): the lowest string of a bass guitar, 28, becomes 52, and the written register is lost.

    Args:
        pitch: ``(notes,)``, MIDI note numbers.

    Returns:
        ``(notes,)``, MIDI note numbers.
    """
    octaves_up = np.maximum(-((pitch - LOWEST) // 12), 0)
    octaves_down = np.maximum(-((HIGHEST - pitch) // 12), 0)
    return pitch + 12 * (octaves_up - octaves_down + 1)
