"""Charts as inline SVG."""

from training.report.charts import canvas, chart, styled
from training.report.palette import LIGHT


@styled
def drawn(name: str, alt: str = "A line") -> str:
    figure, axes = canvas(2, 1)
    axes.plot([0, 1], [0, 1], color=LIGHT["wrong"])
    axes.set_title("title")
    return chart(figure, name, alt)


def test_colours_and_font_are_those_of_the_page() -> None:
    """No colour of the light palette is left, so that the chart follows the dark one too."""
    svg = drawn("one")
    assert "var(--wrong)" in svg
    assert "var(--text)" in svg
    assert not [colour for colour in LIGHT.values() if colour in svg]


def test_the_text_alternative_is_escaped() -> None:
    """A label with quotation marks does not end the attribute."""
    assert drawn("one", 'a "b" <c>').startswith('<svg role="img" aria-label="a &#34;b&#34; &lt;c&gt;" ')


def test_a_chart_is_the_same_each_time_and_shares_no_id_with_another() -> None:
    """The ids of clip paths depend on the name of the chart."""
    assert drawn("one") == drawn("one")
    first, second = ({part.partition('"')[0] for part in drawn(name).split(' id="')[1:]} for name in ("one", "two"))
    assert first
    assert not first & second
    assert "<metadata>" not in drawn("one")
