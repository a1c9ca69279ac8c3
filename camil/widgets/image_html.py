"""Figures as HTML."""

import base64
import io
from html import escape

from matplotlib.figure import Figure


def as_image(figure: Figure, description: str = "") -> str:
    """An ``<img>`` element that contains the figure as PNG.

    Args:
        description: alternative text, for screen readers.
    """
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, facecolor="white")
    data = base64.b64encode(file.getvalue()).decode()
    style = "max-width: 100%"
    return f'<img alt="{escape(description)}" style="{style}" src="data:image/png;base64,{data}">'
