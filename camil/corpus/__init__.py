"""Corpora: build, read and summarize them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from camil.corpus.corpus import Corpus

__all__ = ["Corpus"]


def __getattr__(name: str):
    # Building a corpus needs no torch, and neither do its worker processes.
    if name != "Corpus":
        raise AttributeError(f"module 'camil.corpus' has no attribute {name!r}")
    from camil.corpus.corpus import Corpus

    return Corpus
