"""Interactive confusion matrix: the segments of each cell."""

from pathlib import Path

import ipywidgets
import matplotlib
import pandas as pd
from IPython.display import display
from matplotlib.colors import to_hex

from camil.corpus.corpus import Corpus
from camil.training.progress import watched
from camil.widgets.card import Card, Cards

KEYS = ["song", "track", "start_beat"]


def confusions(corpus: Path | str, predictions: pd.DataFrame) -> None:
    """Click a cell and browse its segments, most confident predictions first.

    In an unattended notebook, the most confident prediction of the most frequent confusion is
    shown.

    Args:
        corpus: folder of the corpus that the predictions belong to.
        predictions: one row per segment, as written by ``03_classify``.

    Raises:
        ValueError: if the predictions belong to another corpus.
    """
    cells = _Cells(Cards(Corpus(corpus)), predictions)
    if not watched():
        cells.card(*cells.most_frequent, 0).display()
        return
    example = ipywidgets.IntSlider(1, min=1, max=1, description="example")
    view = ipywidgets.HTML()
    chosen = cells.most_frequent

    def show(_=None) -> None:
        view.value = cells.card(*chosen, example.value - 1).html()

    def choose(true: str, predicted: str) -> None:
        nonlocal chosen
        chosen = true, predicted
        example.unobserve(show, names="value")
        example.value, example.max = 1, len(cells.predictions[chosen])
        example.observe(show, names="value")
        show()

    example.observe(show, names="value")
    choose(*chosen)
    display(ipywidgets.VBox([_matrix(cells, choose), example, view]))


class _Cells:
    """The predictions of each cell of the matrix, by true and predicted class."""

    def __init__(self, cards: Cards, predictions: pd.DataFrame):
        self.cards = cards
        table = cards.data.table[KEYS].assign(row=range(len(cards.data)))
        found = predictions.merge(table, on=KEYS)
        if len(found) != len(predictions):
            raise ValueError(
                f"The predictions do not belong to the corpus {cards.data.folder}: "
                f"{len(predictions) - len(found)} of {len(predictions)} segments are not in it."
            )
        found["confidence"] = found.filter(like="p_").max(axis=1)
        found = found.sort_values("confidence", ascending=False, kind="stable")
        self.predictions = dict(list(found.groupby(["instrument", "predicted"])))
        self.total = found["instrument"].value_counts()

    @property
    def most_frequent(self) -> tuple[str, str]:
        """The most frequent confusion by `share`; any cell if every prediction is correct."""
        wrong = [cell for cell in self.predictions if cell[0] != cell[1]] or list(self.predictions)
        return max(wrong, key=self.share)

    def share(self, cell: tuple[str, str]) -> float:
        """The cell's share of the segments of its true class."""
        return len(self.predictions.get(cell, ())) / self.total.get(cell[0], 1)

    def card(self, true: str, predicted: str, number: int) -> Card:
        prediction = self.predictions[true, predicted].iloc[number]
        confidence, song = f"{prediction['confidence']:.0%}", prediction["song"]
        title = f"{true} predicted as {predicted} ({confidence}), {song}"
        return self.cards.card(int(prediction["row"]), title)


def _matrix(cells: _Cells, choose) -> ipywidgets.GridBox:
    """The confusion matrix in percent, with one button per cell."""
    classes = cells.cards.data.instruments.names
    blues = matplotlib.colormaps["Blues"]
    layout = ipywidgets.Layout(width="auto", margin="0")
    header = ("true \\ predicted", *classes)
    grid = [ipywidgets.Label(name, layout=layout) for name in header]
    for true in classes:
        grid.append(ipywidgets.Label(true, layout=layout))
        for predicted in classes:
            share = cells.share((true, predicted))
            button = ipywidgets.Button(
                description=f"{share:.0%}" if share else "",
                tooltip=f"{true} predicted as {predicted}",
                disabled=not share,
                layout=layout,
            )
            button.style.button_color = to_hex(blues(share))
            button.style.text_color = "white" if share > 0.55 else "black"
            button.on_click(lambda _, cell=(true, predicted): choose(*cell))
            grid.append(button)
    columns = ipywidgets.Layout(
        grid_template_columns=f"8em repeat({len(classes)}, minmax(3em, 5em))",
        grid_gap="2px",
        max_width="50em",
    )
    return ipywidgets.GridBox(grid, layout=columns)
