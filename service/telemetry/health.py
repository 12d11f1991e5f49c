"""Whether the process is draining, or waits for another one: read by readiness."""

from dataclasses import dataclass, field


@dataclass
class Health:
    """Shared by the server, which receives signals, and the application, which answers probes.

    not_ready_reasons: why requests should not come just now, although models are loaded.
    degraded: what is wrong with another process, empty when nothing is.
    """

    draining: bool = False
    degraded: str = ""
    not_ready_reasons: set[str] = field(default_factory=set)
