"""Ends a process after a deadline, even when a thread hangs in a decoder or a driver."""

import logging
import os
import threading
import time

from service.telemetry import log

logger = logging.getLogger(__name__)

_STEP_S = 0.1
"""Seconds between two checks of the deadline."""


class ExitWatchdog(threading.Thread):
    """A thread that ends the process at its deadline. Its attributes may be set in a signal handler."""

    def __init__(self, status: int) -> None:
        """Create a watchdog without a deadline. status: exit status of the process; may be changed later."""
        super().__init__(name="watchdog", daemon=True)
        self.status = status
        self._deadline = float("inf")

    def end_within(self, seconds: float) -> None:
        """Set the deadline; an earlier one stays in force."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def run(self) -> None:
        while time.monotonic() < self._deadline:
            time.sleep(_STEP_S)
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not self)
        logger.error("ending with status %d although these threads have not ended: %s", self.status, names)
        log.flush()
        os._exit(self.status)
