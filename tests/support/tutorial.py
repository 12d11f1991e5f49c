"""The commands of the tutorial about ONNX files, section by section."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorials" / "onnx-file.md"


def section(name: str) -> str:
    """The text below one heading."""
    return re.split(r"^## ", TUTORIAL.read_text(encoding="utf-8").split(f"\n## {name}\n", 1)[1], flags=re.MULTILINE)[0]


def sections() -> list[str]:
    """The headings of sections that serve a file."""
    names = re.findall(r"^## (.+)$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for name in names if commands(name)]


def python_code(name: str) -> str:
    """The export in one section."""
    return "".join(re.findall(r"```python\n(.*?)```", section(name), re.DOTALL))


def commands(name: str) -> list[str]:
    """What is typed in one section, `snellen serve` first."""
    blocks = re.findall(r"```console\n(.*?)```", section(name), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
