"""The examples of docs/clients.md, and the files that they read."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "clients.md"
ADDRESS = "localhost:8000"


class Example(NamedTuple):
    """A block of code, and the output that is shown below it, empty without one."""

    code: str
    output: str


def examples(language: str, url: str = f"http://{ADDRESS}") -> list[Example]:
    """The blocks of a language, which call the service at `url`."""
    found = re.findall(
        rf"^```{language}\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return [Example(code.replace(ADDRESS, url.removeprefix("http://")), output) for code, output in found]


def write_photos(folder: Path) -> None:
    """Write the files that the page takes for granted."""
    golden = ROOT / "models/imagenet/1/golden"
    (folder / "photos").mkdir()
    shutil.copy(golden / "espresso.jpg", folder / "photo.jpg")
    shutil.copy(golden / "rocket.jpg", folder / "photos")
    shutil.copy(golden / "cat.png", folder / "photos")
    (folder / "photos/notes.jpg").write_text("not a photo")
