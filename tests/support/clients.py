"""The application in this process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings


@contextmanager
def ready_client(repository: Path, **settings: object) -> Iterator[TestClient]:
    """A client of an application that has loaded its models; `settings` as in service.settings."""
    default = {"default_model": "colours"} if (repository / "colours").exists() else {}
    values = default | {"models": repository, "decode_threads": 2} | settings
    app = create_app(Settings.model_validate(values))
    with TestClient(app, raise_server_exceptions=False) as client:
        while client.get("/readyz").json()["detail"].startswith("loading"):
            time.sleep(0.01)
        yield client
