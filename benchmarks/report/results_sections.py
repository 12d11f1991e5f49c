"""Sections of RESULTS.md that commands write: each has markers, and the rest of the page stays unchanged."""

from typing import NamedTuple

from benchmarks.load.locust_report import TITLE


class Section(NamedTuple):
    """The first and the last line of a section."""

    begin: str
    end: str

    def insert(self, document: str, new: str) -> str:
        """Return `document` with the section replaced, or inserted before the section of `make load`."""
        before, begin, rest = document.partition(self.begin)
        if begin:
            return before + new + rest.partition(self.end)[2].removeprefix("\n")
        before, title, rest = document.partition(f"{TITLE}\n")
        return before.rstrip() + "\n\n" + new + ("\n" + title + rest if title else "")
