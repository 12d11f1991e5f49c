"""Whether the process is draining, or waits for another one: read by readiness."""

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """Shared by the server, which receives signals, and the application, which answers probes.

    trouble: why requests wait just now, although models are loaded.
    """

    draining: bool = False
    trouble: str | None = None
