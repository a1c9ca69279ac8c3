"""Click a cell of the confusion matrix, and see and hear the segments that are in it."""

from pathlib import Path

import ipywidgets
import matplotlib
import pandas as pd
from IPython.display import display
from matplotlib.colors import to_hex

from camil.corpus.corpus import Corpus
from camil.midi.instruments import INSTRUMENTS
from camil.training.progress import watched
from camil.widgets.card import Card, Cards

KEYS = ["song", "track", "start_beat"]


def confusions(corpus: Path | str, predictions: pd.DataFrame) -> None:
    """Click a cell, and go through the segments in it with a slider, the surest answers first.

    Unattended, the surest of the commonest confusion is left in the notebook.

    Args:
        corpus: the folder that the predictions are of.
        predictions: a row a segment, as `03_classify` leaves them.

    Raises:
        ValueError: if the predictions are of another corpus.
    """
    answers = _Answers(Cards(Corpus(corpus)), predictions)
    if not watched():
        answers.card(*answers.commonest, 0).display()
        return
    example = ipywidgets.IntSlider(1, min=1, max=1, description="example")
    view = ipywidgets.HTML()
    chosen = answers.commonest

    def show(_=None) -> None:
        view.value = answers.card(*chosen, example.value - 1).html()

    def choose(true: str, predicted: str) -> None:
        nonlocal chosen
        chosen = true, predicted
        example.unobserve(show, names="value")
        example.value, example.max = 1, len(answers.cells[chosen])
        example.observe(show, names="value")
        show()

    example.observe(show, names="value")
    choose(*chosen)
    display(ipywidgets.VBox([_matrix(answers, choose), example, view]))


class _Answers:
    """The segments of each cell of the matrix."""

    def __init__(self, cards: Cards, predictions: pd.DataFrame):
        self.cards = cards
        table = cards.data.table[KEYS].assign(row=range(len(cards.data)))
        found = predictions.merge(table, on=KEYS)
        if len(found) != len(predictions):
            raise ValueError(f"The predictions are not of the segments in {cards.data.folder}.")
        found["sure"] = found.filter(like="p_").max(axis=1)
        found = found.sort_values("sure", ascending=False, kind="stable")
        self.cells = dict(list(found.groupby(["instrument", "predicted"])))
        self.total = found["instrument"].value_counts()

    @property
    def commonest(self) -> tuple[str, str]:
        """The commonest confusion, by its share; of a faultless classifier, any cell."""
        wrong = [cell for cell in self.cells if cell[0] != cell[1]] or list(self.cells)
        return max(wrong, key=self.share)

    def share(self, cell: tuple[str, str]) -> float:
        return len(self.cells.get(cell, ())) / self.total.get(cell[0], 1)

    def card(self, true: str, predicted: str, number: int) -> Card:
        answer = self.cells[true, predicted].iloc[number]
        verdict = "known as" if true == predicted else "taken for"
        title = f"{true} {verdict} {predicted} ({answer['sure']:.0%}), {answer['song']}"
        return self.cards.card(int(answer["row"]), title)


def _matrix(answers: _Answers, choose) -> ipywidgets.GridBox:
    """The confusion matrix in percent, a button a cell."""
    blues = matplotlib.colormaps["Blues"]
    place = ipywidgets.Layout(width="auto", margin="0")
    names = [ipywidgets.Label(name, layout=place) for name in ("true \\ predicted", *INSTRUMENTS)]
    cells = names[:]
    for true in INSTRUMENTS:
        cells.append(ipywidgets.Label(true, layout=place))
        for predicted in INSTRUMENTS:
            share = answers.share((true, predicted))
            button = ipywidgets.Button(
                description=f"{share:.0%}" if share else "",
                tooltip=f"{true} taken for {predicted}",
                disabled=not share,
                layout=place,
            )
            button.style.button_color = to_hex(blues(share))
            button.style.text_color = "white" if share > 0.55 else "black"
            button.on_click(lambda _, cell=(true, predicted): choose(*cell))
            cells.append(button)
    columns = ipywidgets.Layout(
        grid_template_columns=f"8em repeat({len(INSTRUMENTS)}, minmax(3em, 5em))",
        grid_gap="2px",
        max_width="50em",
    )
    return ipywidgets.GridBox(cells, layout=columns)
