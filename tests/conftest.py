"""Fixtures that several files share."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # the training tests run where there is no service
    from starlette.testclient import TestClient

    from tests.support.server import ServerProcess

ROOT = Path(__file__).parent.parent
with contextlib.suppress(ImportError):  # the training tests run where there is no hypothesis
    from hypothesis import settings

    settings.register_profile("snellen", deadline=None)  # no test asserts how long something takes
    settings.load_profile("snellen")


@pytest.fixture(scope="session", autouse=True)
def quick_profiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What was measured is kept for the run of the tests, not for the user; and they need not choose well.

    onnxruntime runs the graphs, whatever else is installed; tests of another library name it.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SNELLEN_PROFILE_CACHE", str(tmp_path_factory.mktemp("profiles")))
        environment.setenv("SNELLEN_TUNE_S", "0.1")
        environment.setenv("SNELLEN_PROVIDERS", "cpu")
        yield


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles: colours in two versions, and grey, which has no prediction sets."""
    from tests.support.bundles import write_bundle

    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder, "colours", 1)
    write_bundle(folder, "colours", 2)
    write_bundle(folder, "plain", 1, prediction_sets=False)
    return folder


@pytest.fixture(scope="session")
def server() -> "Iterator[ServerProcess]":
    """A real process over the shipped bundles."""
    from tests.support.server import running

    with running(ROOT / "models") as process:
        yield process


@pytest.fixture
def client(repository: Path) -> "Iterator[TestClient]":
    """The application in this process, over the colour bundles, ready."""
    from tests.support.clients import ready_client

    with ready_client(repository) as ready:
        yield ready
