"""Whether the process is draining or waits for another one; read by readiness."""

from dataclasses import dataclass, field


@dataclass
class Health:
    """Shared by the server, which receives signals, and the application, which answers probes.

    draining: the process is ending. degraded: what is wrong with another process, empty if nothing is.
    failed: why the start has failed for good, empty if it has not; a server of this project then ends.
    not_ready_reasons: why requests should not be sent here now, although models are loaded.
    """

    draining: bool = False
    degraded: str = ""
    failed: str = ""
    not_ready_reasons: set[str] = field(default_factory=set)
