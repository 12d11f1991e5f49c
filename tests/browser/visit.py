"""One tab with the page, in the words of someone who uses it."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, JSHandle, Request, expect

LIMIT_MS = 15_000
TRANSFER = """files => files.reduce((transfer, [name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
  return transfer;
}, new DataTransfer())"""


@dataclass(frozen=True)
class File:
    """What is dropped or pasted."""

    name: str
    body: bytes
    media_type: str = "image/png"


class Visit:
    """`foreign`: requests that left the server's origin. `errors`: what the console said, but for `tolerate`."""

    def __init__(self, context: BrowserContext, url: str, tolerate: str = "") -> None:
        self.context, self.url, self.tolerate = context, url, tolerate
        self.foreign: list[str] = []
        self.errors: list[str] = []
        context.set_default_timeout(LIMIT_MS)
        expect.set_options(timeout=LIMIT_MS)
        self.page = context.new_page()
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        expect(self.page.locator("#model")).to_be_enabled()
        expect(self.page.locator("#about")).not_to_be_empty()

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", f"blob:{self.url}/")):
            self.foreign.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not (self.tolerate and self.tolerate in message.text):
            self.errors.append(message.text)

    def close(self) -> None:
        self.context.close()

    # What one does

    def choose(self, *paths: Path) -> None:
        self.page.set_input_files("#file", [str(path) for path in paths])
        self.settle()

    def transfer(self, *files: File) -> JSHandle:
        """A DataTransfer, as a drop or the clipboard brings it."""
        rows = [[file.name, file.media_type, base64.b64encode(file.body).decode()] for file in files]
        return self.page.evaluate_handle(TRANSFER, rows)

    def drop(self, *files: File) -> None:
        self.page.dispatch_event("main", "drop", {"dataTransfer": self.transfer(*files)})

    def paste(self, *files: File) -> None:
        self.page.evaluate(
            "data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))",
            self.transfer(*files),
        )

    def pick_model(self, name: str, version: str = "1") -> None:
        self.page.select_option("#model", f"{name}/{version}")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is being asked."""
        expect(self.page.locator("body")).not_to_have_class(re.compile("busy"))

    # What one sees

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def hidden(self, selector: str) -> bool:
        return self.page.locator(selector).is_hidden()

    @property
    def labels(self) -> list[str]:
        return self.page.locator("#predictions .label").all_inner_texts()

    @property
    def percents(self) -> list[float]:
        return [float(text.strip("<%")) for text in self.page.locator("#predictions .percent").all_inner_texts()]

    @property
    def scrolls_sideways(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))
