"""What Slakh's generator does to Bass before it renders it, to try on other music."""

import numpy as np

LOWEST, HIGHEST = 35, 79  # MIDI note numbers


def as_in_slakh(pitch: np.ndarray) -> np.ndarray:
    """Bass notes as Slakh2100 has them in `MIDI/SXX.mid`, of those in `all_src.mid`.

    Folded by octaves into 35..79, then an octave up (ethman/slakh-generation, issue 2): the lowest
    string of a bass guitar, 28, becomes 52, and the written register is gone.

    Args:
        pitch: `(notes,)`, MIDI note numbers.
    """
    octaves_up = np.maximum(-((pitch - LOWEST) // 12), 0)
    octaves_down = np.maximum(-((HIGHEST - pitch) // 12), 0)
    return pitch + 12 * (octaves_up - octaves_down + 1)
