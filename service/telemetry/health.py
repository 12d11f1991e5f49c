"""Whether the process is draining or waits for another one; read by readiness."""

from dataclasses import dataclass, field


@dataclass
class Health:
    """Shared by the server, which receives signals, and the application, which answers probes.

    draining: the process is ending. degraded: what is wrong with another process, empty if nothing is.
    not_ready_reasons: why requests should not be sent here now, although models are loaded.
    """

    draining: bool = False
    degraded: str = ""
    not_ready_reasons: set[str] = field(default_factory=set)
