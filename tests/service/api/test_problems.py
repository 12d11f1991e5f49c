"""Every error has a row in the table, and the table has no other rows."""

import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service import errors
from service.api.problems import PROBLEM_TYPES, plain_problem, problem_of
from service.api.v1 import openapi
from service.app import create_app
from service.settings import Settings
from tests.support.bundles import write_bundle


def leaves(base: type[Exception]) -> set[type[Exception]]:
    below = base.__subclasses__()
    return set().union(*map(leaves, below)) if below else {base}


def test_every_error_has_a_face() -> None:
    """No error of the domain can leave as a bare 500."""
    assert leaves(errors.ServiceError) == set(PROBLEM_TYPES)


def test_types_are_unique() -> None:
    """A client can tell them apart."""
    assert len({face.slug for face in PROBLEM_TYPES.values()}) == len(PROBLEM_TYPES)


def test_every_type_is_documented_with_an_example() -> None:
    """The OpenAPI document shows each of them, but for the one that only the admin API answers."""
    documented = {
        example["value"]["type"]
        for response in openapi.CLASSIFY_RESPONSES.values()
        for example in response["content"]["application/problem+json"]["examples"].values()
    }
    public = {f"/problems/{face.slug}" for error, face in PROBLEM_TYPES.items() if error is not errors.Conflict}
    assert documented == public | {"about:blank"}


def test_a_problem_carries_its_detail() -> None:
    """Type and title are fixed, the detail is of this occurrence."""
    problem = problem_of(errors.CorruptImage("cut off"))
    assert (problem.type, problem.status, problem.detail) == ("/problems/corrupt-image", 422, "cut off")


@pytest.mark.parametrize("character", ["x", "é", "€", "😀", "\0"])
def test_a_detail_is_never_longer_than_a_kilobyte(character: str) -> None:
    """Of a whole number of characters, and marked as cut; a detail of exactly one kilobyte is whole."""
    fits = character * (1024 // len(character.encode()))
    assert plain_problem(400, fits).detail == fits
    for problem in (plain_problem(400, fits + "abcd"), problem_of(errors.MalformedBody(fits * 300))):
        assert problem.detail.endswith("... (shortened)")
        kept = problem.detail.removesuffix("... (shortened)")
        assert kept.startswith(fits)
        assert len(kept.encode()) <= 1024


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/v1/classify?" + "&".join(f"a{n}=1" for n in range(7000)), {}),
        ("POST", "/v1/classify?top_k=" + "x" * 47_000, {}),
        ("GET", "/nope/" + "x" * 47_000, {}),
        ("PUT", "/v1/models/" + "x" * 47_000, {}),
        ("GET", "/v1/models/" + "x" * 47_000, {}),
        ("POST", f"/v1/models/{'x' * 47_000}/classify", {}),
        ("X" * 47_000, "/v1/classify", {}),
        ("POST", "/v1/classify", {"Content-Type": "text/" + "x" * 47_000}),
        ("POST", "/v1/classify", {"X-Priority": "x" * 47_000}),
        ("POST", "/v1/classify", {"X-Deadline-Ms": "x" * 47_000}),
        ("POST", "/v1/classify", {"Content-Type": "application/json", "Content-Encoding": "x" * 47_000}),
    ],
)
def test_a_problem_repeats_little_of_the_request(
    tmp_path: Path, method: str, path: str, headers: dict[str, str]
) -> None:
    """47 KiB of unknown names, paths, methods or values."""
    write_bundle(tmp_path)
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.01)
        answer = client.request(method, path, headers=headers, content=b"{")
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 2048
    assert sum(len(name) + len(value) for name, value in answer.headers.raw) < 1024
