"""Every error has a row in the table, and the table has no other rows."""

from service import errors
from service.api.problems import PROBLEM_TYPES, problem_of
from service.api.v1 import openapi


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
    """The OpenAPI document shows each of them."""
    documented = {
        example["value"]["type"]
        for response in openapi.CLASSIFY_RESPONSES.values()
        for example in response["content"]["application/problem+json"]["examples"].values()
    }
    assert documented == {f"/problems/{face.slug}" for face in PROBLEM_TYPES.values()} | {"about:blank"}


def test_a_problem_carries_its_detail() -> None:
    """Type and title are fixed, the detail is of this occurrence."""
    problem = problem_of(errors.CorruptImage("cut off"))
    assert (problem.type, problem.status, problem.detail) == ("/problems/corrupt-image", 422, "cut off")
