"""The message of the access log: one request, with fields for machines and a short text for people."""

from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST_PATH = 256
"""Characters of a path that are logged."""


class AccessLine:
    """One answered request.

    fields: by name, without those that the request does not have. str() is the text for people.
    """

    __slots__ = ("fields",)

    def __init__(
        self,
        *,
        method: str,
        path: str,
        status: int,
        request_id: str,
        trace_id: str | None,
        span_id: str | None,
        client: str | None,
        key: str | None,
        model: str | None,
        version: int | None,
        problems: Iterable[str],
        bytes_in: int | None,
        images: int | None,
        stages: Mapping[str, float],
    ) -> None:
        """Create a line.

        path: as the client sent it, without the query. client: its address. key: name of its API key. problems:
        addresses of problem types, of the request or of single images. bytes_in: of the body. stages: seconds by name.
        """
        fields: dict[str, Any] = {
            "request_id": request_id,
            "trace_id": trace_id,
            "span_id": span_id,
            "client": client,
            "key": key,
            "method": method,
            "path": path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}...",
            "status": status,
            "problems": list(dict.fromkeys(each.rpartition("/")[2] for each in problems)) or None,
            "model": model,
            "version": version,
            "bytes_in": bytes_in,
            "images": images,
        }
        self.fields = {name: value for name, value in fields.items() if value is not None}
        self.fields |= {f"{stage}_ms": round(seconds * 1000, 3) for stage, seconds in stages.items()}

    def __str__(self) -> str:
        return ", ".join(self._parts())

    def _parts(self) -> Iterable[str]:
        """Yield the parts of the text: what was answered, then what is known of the request."""
        known = self.fields
        problems = f" {' '.join(known['problems'])}" if "problems" in known else ""
        took = f" in {known['total_ms']:.1f} ms" if "total_ms" in known else ""
        yield f"{known['method']} {known['path']} {known['status']}{problems}{took}"
        if "model" in known:
            yield f"{known['model']}/{known['version']}"
        if known.get("images", 1) != 1:
            yield f"{known['images']} images"
        if "bytes_in" in known:
            size = known["bytes_in"]
            yield f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} bytes"
        if "key" in known:
            yield f"key {known['key']}"
        if "client" in known:
            yield f"from {known['client']}"
        yield f"request {known['request_id']}"
        if "trace_id" in known:
            yield f"trace {known['trace_id']}"
