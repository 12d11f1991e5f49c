"""Parts of RESULTS.md that a command writes: each has markers, and leaves the rest of the page alone."""

from typing import NamedTuple

from benchmarks.load.locust_report import TITLE


class Section(NamedTuple):
    """The first and the last line of what one command writes."""

    begin: str
    end: str

    def insert(self, document: str, new: str) -> str:
        """`document` with what is between the markers replaced; without markers, before the section of `make load`."""
        before, begin, rest = document.partition(self.begin)
        if begin:
            return before + new + rest.partition(self.end)[2].removeprefix("\n")
        before, title, rest = document.partition(f"{TITLE}\n")
        return before.rstrip() + "\n\n" + new + ("\n" + title + rest if title else "")
