"""Views to play with in JupyterLab; where nobody looks on, each leaves a picture instead.

`browse` goes through a corpus, `confusions` through a classifier's mistakes, `space` through the
joint space, `margins` through the contrastive loss. `card` is what they all show of a segment.
"""

from camil.widgets.browse import browse
from camil.widgets.card import Card, Cards
from camil.widgets.confusions import confusions
from camil.widgets.margins import margins
from camil.widgets.space import Space, space

__all__ = ["Card", "Cards", "Space", "browse", "confusions", "margins", "space"]
