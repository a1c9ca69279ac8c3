"""Look around in the joint space: a scatter of many points, and what is behind each of them."""

from html import escape

import ipywidgets
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.colors import hsv_to_rgb
from scipy.spatial.distance import cdist

from camil.figures import COLOURINGS
from camil.training.progress import watched
from camil.widgets.card import Cards, line

NEAREST = 3  # neighbours shown in the other modality


class Space:
    """Segments as notes and as sounds, in the joint space and on the page.

    Args:
        cards: of the corpus.
        rows: `(segments,)`, which of its rows these are.
        midi, audio: `(segments, embedding)`.
        layout: `(2 * segments, 2)`, the notes of all, then their sounds.
        right: `(2 * segments,)` of bool, whether a probe names the instrument of each.
    """

    def __init__(
        self,
        cards: Cards,
        rows: np.ndarray,
        midi: np.ndarray,
        audio: np.ndarray,
        layout: np.ndarray,
        right: np.ndarray,
    ):
        self.cards, self.rows, self.midi, self.audio = cards, np.asarray(rows), midi, audio
        both = cards.data.table.iloc[np.tile(self.rows, 2)].reset_index(drop=True)
        self.table = pd.DataFrame(
            {
                "x": layout[:, 0],
                "y": layout[:, 1],
                "instrument": both["instrument"],
                "modality": np.repeat(["MIDI", "audio"], len(rows)),
                "song": both["song"],
                "right": np.where(right, "yes", "no"),
            }
        )

    def nearest(self, point: int) -> pd.DataFrame:
        """The neighbours of a point in the other modality: segment, point and distance, by rank."""
        segment, is_sound = point % len(self.rows), point >= len(self.rows)
        own, others = (self.audio, self.midi) if is_sound else (self.midi, self.audio)
        distance = cdist(own[[segment]], others)[0]
        order = distance.argsort(kind="stable")[:NEAREST]
        first = 0 if is_sound else len(self.rows)
        return pd.DataFrame({"segment": order, "point": order + first, "distance": distance[order]})

    def html(self, point: int) -> str:
        """What is behind a point: its segment, and the nearest in the other modality."""
        segment, is_sound = point % len(self.rows), point >= len(self.rows)
        what, others = ("Sound", "notes") if is_sound else ("Notes", "sounds")
        name = self.cards.name(self.rows[segment])
        card = self.cards.card(self.rows[segment], f"{what}: {name}").html()
        lines = [self._line(found, is_sound, segment) for found in self.nearest(point).itertuples()]
        return f"{card}<p><b>The nearest {others}</b></p>{''.join(lines)}"

    def _line(self, found, is_sound: bool, segment: int) -> str:
        row = self.rows[found.segment]
        own = " (its own)" if found.segment == segment else ""
        label = f"{self.cards.name(row)}{own}, distance {found.distance:.2f}"
        try:
            return line(label, self.cards.notes(row) if is_sound else self.cards.sound(row))
        except (ValueError, OSError) as error:
            return f"<p>{escape(label)}: {escape(str(error))}</p>"


def space(shown: Space) -> None:
    """A scatter to zoom and to click in, coloured by instrument, modality, song or correctness.

    A click on a point, or the slider, shows and plays its segment, and marks and plays its nearest
    neighbours of the other modality. Drawn by the graphics card: tens of thousands of points move
    freely. Unattended there is nobody to click, and nothing is shown but a word.
    """
    if not watched():
        print("This view is for JupyterLab; the picture above shows the same points.")
        return
    import jscatter  # takes seconds, which only who looks around waits for

    table = shown.table.copy()
    for name, colours in COLOURINGS.items():  # in the order of the colours
        known = [value for value in colours if value in set(table[name])]
        table[name] = pd.Categorical(table[name], known or None)
    scatter = jscatter.Scatter(
        "x", "y", data=table, height=520, axes=False, tooltip=True,
        tooltip_properties=list(COLOURINGS),
    )  # fmt: skip
    scatter.size(4).opacity(unselected=0.6)  # else by density, at every zoom
    colour = ipywidgets.Dropdown(options=list(COLOURINGS), description="colour by")
    point = ipywidgets.IntSlider(0, 0, len(shown.table) - 1, description="point")
    panel = ipywidgets.HTML(layout=ipywidgets.Layout(min_width="24em", flex="1 1 24em"))

    def paint(_=None) -> None:
        values = table[colour.value].cat.categories
        named = COLOURINGS[colour.value]
        rainbow = hsv_to_rgb([(i / len(values), 0.9, 0.85) for i in range(len(values))])
        scatter.color(by=colour.value, map=[named[name] for name in values] if named else rainbow)
        scatter.legend(bool(named))

    def clicked(change) -> None:
        if len(change["new"]) == 1:
            point.value = int(change["new"][0])

    def show(_=None) -> None:
        scatter.selection([point.value, *shown.nearest(point.value)["point"].tolist()])
        panel.value = shown.html(point.value)

    paint()
    show()
    colour.observe(paint, names="value")
    point.observe(show, names="value")
    scatter.widget.observe(clicked, names="selection")
    frame = ipywidgets.VBox(
        [colour, scatter.widget, point], layout=ipywidgets.Layout(flex="2 1 30em", min_width="20em")
    )
    row = ipywidgets.Layout(display="flex", flex_flow="row wrap", align_items="flex-start")
    display(ipywidgets.Box([frame, panel], layout=row))
