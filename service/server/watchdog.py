"""Ends a process that should have ended: no thread that hangs, in a decoder or a driver, can keep it alive."""

import logging
import os
import threading
import time

from service.telemetry import log

logger = logging.getLogger(__name__)

_STEP_S = 0.1


class ExitWatchdog(threading.Thread):
    """Once started, lets the process live until its deadline. Setting plain attributes is safe in a signal handler."""

    def __init__(self, status: int) -> None:
        """status: how the process ends then; may be changed."""
        super().__init__(name="watchdog", daemon=True)
        self.status = status
        self._deadline = float("inf")

    def end_within(self, seconds: float) -> None:
        """Never later than what was said before."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def run(self) -> None:
        while time.monotonic() < self._deadline:
            time.sleep(_STEP_S)
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not self)
        logger.error("ending with status %d although these threads have not ended: %s", self.status, names)
        log.flush()
        os._exit(self.status)
