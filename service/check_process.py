"""The check process: checks one version as a serving process would open it, and ends.

`python -P -m service.check_process` reads one line from its standard input, a CheckWork, and writes messages to its
standard output, each a JSON object in a line: MEASURED any number of times, then PASSED or REFUSED. It ends at once
when its input ends, since the service has ended then.
"""

import contextlib
import gc
import json
import logging
import os
import resource
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from models.contract import Bundle, BundleError, read_bundle
from service.build import engine_factory, tuning_options
from service.engine.profile import Profile
from service.engine.providers import ON_GPU
from service.engine.session import EngineRejected
from service.engine.tuning.autotune import autotune
from service.engine.tuning.candidates import candidates_of
from service.heap import return_free_memory, use_one_heap
from service.repository.checker import MEASURED, PASSED, REFUSED, CheckWork

logger = logging.getLogger("service.check_process")

_STACK_BYTES = 8 * 1024 * 1024
"""Address space of a thread's stack, of which few pages are used."""
_THREADS = 8
"""Threads for each core: every configuration that is tried has some for its runs and for its callers."""


def main() -> None:
    """Check what the first line of the input says. Never returns: the parent has its answer."""
    use_one_heap()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    work = CheckWork.from_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no message
    try:
        profile, peak_bytes = check(work, lambda: _send(replies, kind=MEASURED))
        _send(replies, kind=PASSED, profile=profile.model_dump(mode="json"), peak_bytes=peak_bytes)
    except (EngineRejected, BundleError) as error:
        _send(replies, kind=REFUSED, reason=str(error))
    except Exception as error:
        logger.exception("the check failed")
        _send(replies, kind=REFUSED, reason=f"{type(error).__name__} while it was checked; the log has the cause")
    os._exit(0)  # without the teardown of libraries, which may hang or crash


def check(work: CheckWork, on_measured: Callable[[], None]) -> tuple[Profile, int]:
    """Verify and tune a version, then open it with its profile as a serving process does.

    on_measured: called after each timing, and once if the profile was in the cache.
    Returns the profile, and the most memory of the second opening beyond what the process had before the first one:
    tuning itself opens a session for each configuration, which serving processes do not.
    Raises EngineRejected and BundleError.
    """
    bundle = _unchanged(work)
    wanted = replace(tuning_options(work.settings, work.cores), low_priority=True)
    on_gpu = any(each.options.providers[0] in ON_GPU for each in candidates_of(bundle, wanted))
    if work.memory_bytes is not None and not on_gpu:  # CUDA maps more than it uses
        _limit_memory(work.memory_bytes + work.cores * _THREADS * _STACK_BYTES)
    before = _resident_bytes()
    found = autotune(bundle, wanted, observe=lambda _: on_measured())
    on_measured()
    profile = found.profile
    found.engine.close()
    del found
    _forget_peak()
    loaded = engine_factory(work.settings, work.cores)(bundle, profile)
    with contextlib.suppress(Exception):  # a serving process then serves without a session for single images
        loaded.after_all_loaded()
    loaded.engine.close()
    _unchanged(work)
    return profile, max(0, _peak_bytes() - before)


def _unchanged(work: CheckWork) -> Bundle:
    """Return the bundle. Raises BundleError when it is not the one that the service has read."""
    bundle = read_bundle(Path(work.path))
    if bundle.sha256 != work.sha256:
        raise BundleError("its manifest was changed while it was checked; load it again when all files are written")
    return bundle


def _limit_memory(more_bytes: int) -> None:
    """Limit what the process may allocate from now on.

    RLIMIT_DATA counts writable private memory only. RLIMIT_AS would also count libraries and mapped files.
    """
    if (now := _status("VmData")) is not None:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = now + more_bytes if hard == resource.RLIM_INFINITY else min(now + more_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _forget_peak() -> None:
    """Return free memory to the system, and let the peak begin anew; on systems that cannot, the whole peak counts."""
    gc.collect()
    return_free_memory()
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _resident_bytes() -> int:
    return _status("VmRSS") or _peak_of_usage()


def _peak_bytes() -> int:
    """Return the peak of the resident memory. `getrusage` has that of the process that started this one, if larger."""
    return _status("VmHWM") or _peak_of_usage()


def _peak_of_usage() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(name: str) -> int | None:
    """Return a figure of /proc/self/status in bytes; None on a system without it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def _end_with_input() -> None:
    """End the process when the service has ended or does not want the check any more."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def _send(replies: TextIO, **message: object) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
