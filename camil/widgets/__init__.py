"""Interactive views for JupyterLab; in an unattended notebook each leaves a static output.

`browse` shows the segments of a corpus, `confusions` those of a cell of the confusion matrix,
`space` the joint space and `margins` the contrastive loss. A `Card` is one segment with its figure
and sounds. `labels` has the views of notebook 7, `listening` the audio clips.
"""

from camil.workbook.extras import optional

for package in ("IPython", "ipywidgets", "matplotlib"):
    optional(package, "camil.widgets")

from camil.widgets.browse import browse
from camil.widgets.card import Card, Cards
from camil.widgets.confusions import confusions
from camil.widgets.margins import margins
from camil.widgets.space import Space, space

__all__ = ["Card", "Cards", "Space", "browse", "confusions", "margins", "space"]
