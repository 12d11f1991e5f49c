"""Whether the process is draining: set by the signal, read by readiness."""

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """Shared by the server, which receives signals, and the application, which answers probes."""

    draining: bool = False
