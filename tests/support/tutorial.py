"""The code, commands and outputs of the tutorials, section by section."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ONNX_FILE = ROOT / "docs" / "tutorials" / "onnx-file.md"
PHOTOS = ROOT / "docs" / "tutorials" / "photos.md"
PROMPT = "$ "


def section(name: str, tutorial: Path = ONNX_FILE) -> str:
    """The text below one heading."""
    return re.split(r"^## ", tutorial.read_text(encoding="utf-8").split(f"\n## {name}\n", 1)[1], flags=re.MULTILINE)[0]


def sections(tutorial: Path = ONNX_FILE) -> list[str]:
    """The headings of sections with commands."""
    names = re.findall(r"^## (.+)$", tutorial.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for name in names if commands(name, tutorial)]


def python_code(name: str, tutorial: Path = ONNX_FILE) -> str:
    """The Python code in one section."""
    return "".join(re.findall(r"```python\n(.*?)```", section(name, tutorial), re.DOTALL))


def commands(name: str, tutorial: Path = ONNX_FILE) -> list[str]:
    """What is typed in one section."""
    return [command for command, _ in commands_with_outputs(name, tutorial)]


def commands_with_outputs(name: str, tutorial: Path = ONNX_FILE) -> list[tuple[str, list[str]]]:
    """What is typed in one section, with the lines shown below each command."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", section(name, tutorial), re.DOTALL):
        for line in block.splitlines():
            if line.startswith(PROMPT):
                found.append((line.removeprefix(PROMPT), []))
            else:
                found[-1][1].append(line)
    return found
