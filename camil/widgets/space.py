"""Interactive map of the joint space."""

from html import escape

import ipywidgets
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.colors import hsv_to_rgb
from scipy.spatial.distance import cdist

from camil.figures import point_colours
from camil.training.progress import watched
from camil.widgets.card import Cards, player_row
from camil.workbook.extras import optional

NEAREST = 3  # neighbours shown per point
POINT_SIZE = {"MIDI": 9, "audio": 4}  # pixels; the scatter has no markers of other shapes


class Space:
    """The MIDI and audio embeddings of segments, with their positions on a map.

    Point ``i`` is the MIDI embedding of segment ``i``, point ``segments + i`` its audio embedding.

    Args:
        cards: cards of the corpus.
        rows: ``(segments,)`` int, rows of the corpus.
        midi, audio: ``(segments, embedding)``.
        layout: ``(2 * segments, 2)``, positions of all points.
        correct: ``(2 * segments,)`` bool, whether a linear probe predicts the true instrument.

    Attributes:
        table: one row per point: ``x``, ``y``, ``instrument``, ``modality``, ``song`` and
            ``probe``.
    """

    def __init__(
        self,
        cards: Cards,
        rows: np.ndarray,
        midi: np.ndarray,
        audio: np.ndarray,
        layout: np.ndarray,
        correct: np.ndarray,
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
                "probe": np.where(correct, "correct", "wrong"),
            }
        )

    def nearest(self, point: int) -> pd.DataFrame:
        """The nearest points of the other modality, with segment and distance, by rank."""
        segment, is_sound = point % len(self.rows), point >= len(self.rows)
        own, others = (self.audio, self.midi) if is_sound else (self.midi, self.audio)
        distance = cdist(own[[segment]], others)[0]
        order = distance.argsort(kind="stable")[:NEAREST]
        first = 0 if is_sound else len(self.rows)
        return pd.DataFrame({"segment": order, "point": order + first, "distance": distance[order]})

    def html(self, point: int) -> str:
        """The card of a point, and players for its nearest neighbours in the other modality."""
        segment, is_sound = point % len(self.rows), point >= len(self.rows)
        what, others = ("Audio", "notes") if is_sound else ("Notes", "sounds")
        name = self.cards.name(self.rows[segment])
        card = self.cards.card(self.rows[segment], f"{what}: {name}").html()
        lines = [self._line(found, is_sound, segment) for found in self.nearest(point).itertuples()]
        return f"{card}<p><b>Nearest {others}</b></p>{''.join(lines)}"

    def _line(self, found, is_sound: bool, segment: int) -> str:
        row = self.rows[found.segment]
        own = " (same segment)" if found.segment == segment else ""
        label = f"{self.cards.name(row)}{own}, distance {found.distance:.2f}"
        try:
            return player_row(label, self.cards.notes(row) if is_sound else self.cards.sound(row))
        except (ValueError, OSError) as error:
            return f"<p>{escape(label)}: {escape(str(error))}</p>"


def space(shown: Space) -> None:
    """Display a scatter plot that can be zoomed and clicked.

    Points are coloured by instrument, modality, song or the result of the probe; MIDI points are
    larger than audio points. A click on a point, or the slider, shows and plays its segment, and
    selects and plays its nearest neighbours in the other modality. WebGL draws tens of thousands of
    points fluently. In an unattended notebook, a sentence is printed instead.
    """
    if not watched():
        print("This view needs JupyterLab; the figure above shows the same points.")
        return
    jscatter = optional("jscatter", "The interactive joint space")  # importing it takes seconds

    table = shown.table.copy()
    columns = point_colours(shown.cards.data.instruments)
    for name, colours in columns.items():  # categories in the order of the colours
        known = [value for value in colours if value in set(table[name])]
        table[name] = pd.Categorical(table[name], known or None)
    scatter = jscatter.Scatter(
        "x", "y", data=table, height=520, axes=False, tooltip=True,
        tooltip_properties=list(columns), tooltip_histograms=False,
    )  # fmt: skip
    scatter.size(by="modality", map=[POINT_SIZE[one] for one in table["modality"].cat.categories])
    scatter.opacity(unselected=0.6)  # by default it depends on the density
    colour = ipywidgets.Dropdown(options=list(columns), description="colour by")
    point = ipywidgets.IntSlider(0, 0, len(shown.table) - 1, description="point")
    panel = ipywidgets.HTML(layout=ipywidgets.Layout(min_width="24em", flex="1 1 24em"))

    def paint(_=None) -> None:
        values = table[colour.value].cat.categories
        named = columns[colour.value]
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
