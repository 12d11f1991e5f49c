"""The commands at the top of README.md that start the service."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPENING = (ROOT / "README.md").read_text(encoding="utf-8").partition("\nThen ask what is in a photo:")[0]


def commands(heading: str) -> list[str]:
    """Return the commands below a bold heading, without their comments."""
    block = re.findall(r"```console\n(.*?)```", OPENING.partition(f"**{heading}**")[2], re.DOTALL)[0]
    return [line.removeprefix("$ ").partition("  #")[0].rstrip() for line in block.splitlines()]
