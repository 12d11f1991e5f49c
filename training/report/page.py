"""The HTML document of a report."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from training.report.overview import Overview
from training.report.palette import DARK, LIGHT
from training.report.section import Section

_TEMPLATES = Environment(
    loader=PackageLoader("training.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(overview: Overview, sections: Sequence[Section]) -> str:
    """Return the document: text is escaped, styles and images are embedded, and there is no script."""
    template = _TEMPLATES.get_template("page.html.j2")
    return template.render(overview=overview, sections=sections, light=LIGHT, dark=DARK)
