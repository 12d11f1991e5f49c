"""docs/networks.md says what the code says."""

from pathlib import Path

import pytest

from training.networks.docs_table import document
from training.networks.registry import NETWORKS

DOCUMENT = Path(__file__).parents[3] / "docs" / "networks.md"


def test_every_network_has_its_row() -> None:
    """With whose code it is, its smallest image and its paper."""
    text = DOCUMENT.read_text()
    for name, info in NETWORKS.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert f"| {info.origin} |" in line
        assert f"| {info.smallest} |" in line
        assert info.paper in line


@pytest.mark.slow
def test_the_page_is_current() -> None:
    """`python -m training.networks.docs_table > docs/networks.md` was run; all networks are built for it."""
    assert DOCUMENT.read_text() == document()
