"""A figure as HTML."""

import base64
import io
from html import escape

from matplotlib.figure import Figure


def as_image(figure: Figure, about: str = "") -> str:
    """An `<img>` that holds the figure; `about` is read out to those who do not see it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, facecolor="white")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{escape(about)}" style="max-width: 100%" src="data:image/png;base64,{data}">'
