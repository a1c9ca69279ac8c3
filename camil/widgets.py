"""Views to play with in JupyterLab."""

from collections.abc import Sequence

import ipywidgets
import numpy as np
from IPython.display import display

from camil import figures


def neighbours(
    layout: np.ndarray, instrument: Sequence[str], distance: np.ndarray
) -> ipywidgets.Widget:
    """Walk through the parts with a slider: each part's own sound and the nearest one are marked.

    Args:
        layout: `(2 * parts, 2)`, the notes of all parts, then their sounds.
        instrument: of each part.
        distance: `(parts, parts)` from notes to sounds.
    """
    parts = len(instrument)
    slider = ipywidgets.IntSlider(0, 0, parts - 1, description="part")
    view = ipywidgets.Output()

    def show(_=None):
        part = slider.value
        nearest = int(distance[part].argmin())
        drawing = figures.joint_space(
            layout,
            list(instrument) * 2,
            ["MIDI"] * parts + ["audio"] * parts,
            pairs=np.array([[part, parts + part], [part, parts + nearest]]),
            title=f"{instrument[part]}; nearest sound: {instrument[nearest]}",
        )
        view.clear_output(wait=True)
        with view:
            display(drawing)

    slider.observe(show, names="value")
    show()
    return ipywidgets.VBox([slider, view])
