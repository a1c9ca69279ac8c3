"""Interactive view of the segments of a corpus."""

from pathlib import Path

import ipywidgets
from IPython.display import display

from camil.corpus.corpus import Corpus
from camil.training.progress import watched
from camil.widgets.card import Cards


def browse(corpus: Path | str) -> None:
    """Choose a song, a track and a segment, and see and hear it.

    In an unattended notebook, the segment in the middle of the corpus is shown.

    Args:
        corpus: folder written by ``01_preprocess``.
    """
    cards = Cards(Corpus(corpus))
    table = cards.data.table
    if not watched():
        cards.card(len(table) // 2).display()
        return
    rows_of = {song: part for song, part in table.groupby("song", sort=True).groups.items()}
    song = ipywidgets.Dropdown(options=list(rows_of), description="song")
    track = ipywidgets.Dropdown(description="track")
    segment = ipywidgets.IntSlider(1, min=1, max=1, description="segment")
    view, shown = ipywidgets.HTML(), None

    def choose_song(_=None) -> None:
        of_song = table.loc[rows_of[song.value]]
        named = of_song.groupby("track", sort=True)["instrument"].first()
        track.options = [(f"{name} ({instrument})", name) for name, instrument in named.items()]
        track.index = 0
        choose_track()  # no event is sent if the first tracks of both songs have the same name

    def choose_track(_=None) -> None:
        if track.value is not None:  # None while the options are replaced
            segment.value, segment.max = 1, len(rows())
            show()

    def rows() -> list[int]:
        of_song = table.loc[rows_of[song.value]]
        return of_song.index[of_song["track"] == track.value].tolist()

    def show(_=None) -> None:
        nonlocal shown
        row = rows()[segment.value - 1]
        if row != shown:  # one choice may trigger several events
            shown, view.value = row, cards.card(row).html()

    song.observe(choose_song, names="value")
    track.observe(choose_track, names="value")
    segment.observe(show, names="value")
    choose_song()
    display(ipywidgets.VBox([song, track, segment, view]))
