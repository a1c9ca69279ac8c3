"""Compose the songs of the demonstration corpus: harmony, melodies, parts and performance.

``compose(seed, index)`` returns a song. This room does not depend on corpora or files.
"""

from camil.composer.song import Composition, compose

__all__ = ["Composition", "compose"]
