"""The main process with children that end at once, and with none: restarts, refusals, and its end."""

import logging
from collections.abc import Sequence
from typing import cast

import pytest

from service.repository.served_versions import ServedVersions
from service.server.workers import process as processes
from service.server.workers.control_channel import DEGRADED, FATAL, READY, STARTED, to_memfd
from service.server.workers.plan import ProcessPlan
from service.server.workers.process import MAX_QUICK_DEATHS, ManagedProcess
from service.server.workers.supervisor import Supervisor
from service.settings import Settings

FOUND = ServedVersions({"a/1": "one"})
OTHER = ServedVersions({"a/1": "two"})


class Child(ManagedProcess):
    """Without a process: what it would be sent."""

    def send(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        vars(self).setdefault("sent", []).append((kind, text))


class Plan:
    """Of two frontends."""

    def __init__(self, kind: type[ManagedProcess]) -> None:
        self._kind = kind

    def frontends(self, _settings: Settings) -> list[ManagedProcess]:
        return [self._kind("frontend", number, "this", {}) for number in range(2)]

    def engines(self, _settings: Settings) -> list[ManagedProcess]:
        return []


def supervisor(kind: type[ManagedProcess] = Child) -> Supervisor:
    return Supervisor(Settings(), cast(ProcessPlan, Plan(kind)), [])


def said(one: Supervisor, process: ManagedProcess, kind: bytes, versions: ServedVersions) -> None:
    one._on_message(process, kind, b"", [to_memfd(versions.to_json())])


async def test_processes_that_end_right_after_their_start_end_the_service(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """After some restarts, with one line that names the process; real ones, which print a poem."""
    monkeypatch.setattr(processes, "_FIRST_PAUSE_S", 0.01)
    assert await supervisor(ManagedProcess).run() == 1
    assert capfd.readouterr().err.count(f"has died {MAX_QUICK_DEATHS} times right after its start") == 1


async def test_a_reason_that_prevents_the_start_ends_the_service_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Although every process reports it."""
    one = supervisor()
    monkeypatch.setattr(Child, "launch", lambda process, on_message, *_: on_message(process, FATAL, b"no bundle", ()))
    assert await one.run() == 2
    assert capfd.readouterr().err.count("no bundle") == 1


async def test_a_process_that_loads_other_versions_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """The others go on, and /readyz of them says so."""
    one = supervisor()
    first, second = one._frontends
    for kind in (STARTED, READY):
        said(one, first, kind, FOUND)
    said(one, second, STARTED, OTHER)
    assert (first.ready, second.up, one._agreement.served) == (True, False, FOUND)
    assert second.refused == "a/1 has another manifest than the one that was verified"
    assert "frontend 1 cannot load what the service serves" in vars(first)["sent"][-1][1].decode()
    assert vars(first)["sent"][-1][0] == DEGRADED
    assert "the others go on" in caplog.text


async def test_when_no_process_is_left_the_next_one_decides(caplog: pytest.LogCaptureFixture) -> None:
    """As at the start of the service."""
    caplog.set_level(logging.INFO)
    one = supervisor()
    first, second = one._frontends
    said(one, first, STARTED, FOUND)
    said(one, second, STARTED, OTHER)
    assert "the service starts anew" in caplog.text
    said(one, second, STARTED, OTHER)
    assert (second.up, one._agreement.served) == (True, OTHER)
