"""Interactive plot of the contrastive loss and its margin."""

import ipywidgets
from IPython.display import display

from camil import figures
from camil.training.progress import watched
from camil.widgets.image_html import as_image

SHOWN = (0.5, 1.0, 1.5)


def margins(margin: float = 1.0) -> None:
    """Plot the loss of a pair against its distance, with a slider for the margin.

    In an unattended notebook, the plot shows three margins.

    Args:
        margin: initial value; on the unit sphere no distance exceeds 2.
    """
    if not watched():
        display(figures.pair_costs(sorted({*SHOWN, margin})))
        return
    slider = ipywidgets.FloatSlider(
        margin, min=0.1, max=max(2.0, margin), step=0.05, description="margin"
    )
    view = ipywidgets.HTML()

    def show(_=None) -> None:
        title = f"Loss of a pair, margin {slider.value:g}"
        view.value = as_image(figures.pair_costs([slider.value]), title)

    slider.observe(show, names="value")
    show()
    display(ipywidgets.VBox([slider, view]))
