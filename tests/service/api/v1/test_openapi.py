"""The parts of the OpenAPI document that are written by hand."""

import json

from service.api.problems import PROBLEM_TYPES
from service.api.v1.openapi import EXAMPLE_DETAILS, problems


def examples(response: object) -> dict[str, dict[str, object]]:
    """Return the example problems of a documented response by their names."""
    assert isinstance(response, dict)
    found = response["content"]["application/problem+json"]["examples"]
    return {name: example["value"] for name, example in found.items()}


def test_every_problem_type_has_an_example_and_no_example_is_left_over() -> None:
    """A new error needs a row in the table of examples."""
    assert EXAMPLE_DETAILS.keys() == {face.slug for face in PROBLEM_TYPES.values()}


def test_a_status_documents_all_problems_that_have_it() -> None:
    """Each example has the type, the title and the status of its problem."""
    documented = problems(404)
    assert documented.keys() == {404}
    found = examples(documented[404])
    assert found.keys() == {"model-not-found", "version-not-found"}
    assert found["model-not-found"]["type"] == "/problems/model-not-found"
    assert found["model-not-found"]["status"] == 404
    assert documented[404]["description"] == "No such model, or no such version"


def test_a_problem_without_a_type_is_documented_beside_the_others() -> None:
    """Invalid parameters have the status 422 as some errors of the service, and the type about:blank."""
    found = examples(problems(422, plain={422: "top_k is not a number"})[422])
    assert found["about-blank"]["type"] == "about:blank"
    assert found["about-blank"]["detail"] == "top_k is not a number"
    assert "corrupt-image" in found


def test_only_a_503_documents_retry_after() -> None:
    """The header is part of refusals that a client should repeat."""
    documented = problems(404, 503)
    assert documented[404]["headers"].keys() == {"X-Request-ID"}
    assert documented[503]["headers"].keys() == {"X-Request-ID", "Retry-After"}
    json.dumps(documented)
