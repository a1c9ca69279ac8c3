"""What the margin does: the contrastive loss of a pair over its distance."""

import ipywidgets
from IPython.display import display

from camil import figures
from camil.training.progress import watched
from camil.widgets.picture import as_image

SHOWN = (0.5, 1.0, 1.5)


def margins(margin: float = 1.0) -> None:
    """Drag the margin and see which wrong pairs still cost; unattended, a picture of three margins.

    Args:
        margin: to begin with; on the unit sphere no distance exceeds 2.
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
