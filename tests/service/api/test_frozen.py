"""The API as clients know it: a change of the OpenAPI document or of an answer is seen here before they see it.

After a change that is meant, write the files anew: `python -m tests.service.api.test_frozen`.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from models.contract import Task
from tests.support.bundles import write_bundle
from tests.support.clients import ready_client
from tests.support.pictures import BLUE, GREEN, RED, picture

OPENAPI = Path(__file__).with_name("openapi.json")
ANSWERS = Path(__file__).with_name("answers.json")
JSON = {"content-type": "application/json"}
_CHANGING = ("request_id", "engine")
"""Names of values that differ from run to run."""


def ask(client: TestClient) -> dict[str, dict[str, Any]]:
    """Return a dozen answers by what was asked."""
    two = {"images": [base64.b64encode(picture(colour)).decode() for colour in (RED, BLUE)]}
    answers = {
        "raw": client.post("/v1/classify", content=picture(GREEN)),
        "form": client.post("/v1/classify", files={"image": picture(RED)}),
        "json": client.post("/v1/classify", json=two),
        "top_k": client.post("/v1/classify?top_k=1", content=picture(BLUE)),
        "coverage": client.post("/v1/classify?coverage=0.5", content=picture(BLUE)),
        "one of two is no image": client.post(
            "/v1/classify", json={"images": [two["images"][0], base64.b64encode(b"rubbish").decode()]}
        ),
        "a familiar picture": client.post("/v1/models/familiar/classify", content=picture(RED)),
        "an unfamiliar picture": client.post("/v1/models/familiar/classify", content=picture((0, 0, 0))),
        "multilabel": client.post("/v1/models/tags/classify", content=picture((255, 200, 0))),
        "multilabel with coverage": client.post("/v1/models/tags/classify?coverage=0.5", content=picture(RED)),
        "no image": client.post("/v1/classify", content=b"rubbish"),
        "no body": client.post("/v1/classify"),
        "broken json": client.post("/v1/classify", content=b"[]", headers=JSON),
        "unknown model": client.post("/v1/models/none/classify", content=picture()),
        "unknown version": client.post("/v1/models/colours/versions/9/classify", content=picture()),
        "unknown option": client.post("/v1/classify?topk=1", content=picture()),
        "unknown path": client.get("/v2"),
        "wrong method": client.get("/v1/classify"),
        "models": client.get("/v1/models"),
        "model": client.get("/v1/models/colours"),
        "ready": client.get("/readyz"),
        "alive": client.get("/livez"),
    }
    return {name: {"status": answer.status_code, "body": _steady(answer.json())} for name, answer in answers.items()}


def _steady(value: Any) -> Any:
    """Return the value without what differs from run to run."""
    if isinstance(value, dict):
        return {name: "..." if name in _CHANGING else _steady(part) for name, part in value.items()}
    return [_steady(part) for part in value] if isinstance(value, list) else value


def _document(client: TestClient) -> Any:
    document = client.get("/openapi.json").json()
    document["info"]["version"] = "..."
    return document


def write_models(repository: Path) -> None:
    """Write the default model, one with an energy threshold, and one of the task multilabel."""
    write_bundle(repository)
    write_bundle(repository, "familiar", energy_threshold=-8)
    write_bundle(repository, "tags", task=Task.MULTILABEL, thresholds=(0.5, 0.9, 0.5))


def test_the_openapi_document_is_as_it_was(tmp_path: Path) -> None:
    """Clients are generated from it."""
    write_models(tmp_path)
    with ready_client(tmp_path) as client:
        assert _document(client) == json.loads(OPENAPI.read_text())


def test_answers_are_as_they_were(tmp_path: Path) -> None:
    """Names, order of results, problems and their texts."""
    write_models(tmp_path)
    with ready_client(tmp_path) as client:
        assert ask(client) == json.loads(ANSWERS.read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        with ready_client(Path(folder)) as fresh:
            OPENAPI.write_text(json.dumps(_document(fresh), indent=1, sort_keys=True) + "\n")
            ANSWERS.write_text(json.dumps(ask(fresh), indent=1) + "\n")
