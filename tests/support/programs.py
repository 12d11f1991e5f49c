"""Programs besides Python that some tests run, such as Chromium, Node and nginx."""

import os
import shutil

import pytest

_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
"""Where programs are looked for: nginx may be where only the administrator's PATH leads."""


def program(*names: str, package: str) -> str:
    """Return the path of the first of these programs that is installed; package: Debian's name of what has it.

    Without any the test is skipped, or fails where SNELLEN_TEST_PROGRAMS is `required`, as in continuous integration.
    """
    found = (shutil.which(name, path=_PATH) for name in names)
    if path := next(filter(None, found), None):
        return path
    reason = f"no {names[0]} on PATH (Debian: apt-get install {package})"
    if os.environ.get("SNELLEN_TEST_PROGRAMS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)
