"""Composes the songs of the demonstration corpus: harmony, tunes, parts, performance.

Nothing here knows about corpora or files: ``compose(seed, index)`` returns a song.
"""

from camil.composer.song import Composition, compose

__all__ = ["Composition", "compose"]
