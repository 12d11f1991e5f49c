"""Matplotlib figures as inline SVG that takes colours and font from the page, in light and in dark."""

import io
import re
import warnings
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.report.palette import LIGHT

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": LIGHT["rule"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": LIGHT["soft"],
    "axes.labelsize": 10,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": LIGHT["ink"],
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "grid.color": LIGHT["rule"],
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": LIGHT["ink"],
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["rule"],
    "xtick.labelcolor": LIGHT["soft"],
    "xtick.labelsize": 9,
    "ytick.color": LIGHT["rule"],
    "ytick.labelcolor": LIGHT["soft"],
    "ytick.labelsize": 9,
    "ytick.left": False,
}
_PROPERTY = {colour: f"var(--{name})" for name, colour in LIGHT.items()} | {
    "#1a202c": "var(--ink)",  # from here on: colours of the reliability diagram, which other pages use too
    "#c53030": "var(--wrong)",
    "#718096": "var(--soft)",
    "#ffffff": "var(--sheet)",
}


styled = mpl.rc_context(_STYLE)
"""Decorator of drawing functions: figures inside them have the report's style."""


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure of this size, in inches, and its axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def chart(figure: Figure, name: str, alt: str) -> Markup:
    """Return inline SVG of `figure`. name: unique among the charts of a page, so that their ids are."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the browser's fonts have more glyphs
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Markup('<svg role="img" aria-label="{}" {}').format(alt, Markup(_themed(buffer.getvalue())))  # noqa: S704 - escaped


def _themed(svg: str) -> str:
    """Return the text after `<svg ` of matplotlib's document, with the page's colours and font and without repeated
    ids.
    """
    svg = svg[svg.index("<svg ") + len("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "var(--text)", svg)
    return re.sub("|".join(_PROPERTY), lambda match: _PROPERTY[match[0]], svg)
