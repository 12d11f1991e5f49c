"""Bodies of the admin API: what is taken, and what the refusal of anything else says."""

import pytest
from pydantic import ValidationError

from service.api.admin.schemas import Choice, Named, Nothing


@pytest.mark.parametrize("name", ["imagenet", "imagenet/2", "a.b_c-d/10"])
def test_a_name_means_a_model_or_a_version(name: str) -> None:
    """As in the repository folder."""
    assert Named(name=name).name == name


@pytest.mark.parametrize("name", ["", "/", "/2", "imagenet/", "imagenet/two", "imagenet/2/3", "imagenet/-1"])
def test_other_names_are_refused(name: str) -> None:
    """Above all `imagenet/`, which would mean all versions of the model although one was meant."""
    with pytest.raises(ValidationError, match="write a model, as in imagenet, or a version of it, as in imagenet/2"):
        Named(name=name)


@pytest.mark.parametrize(("given", "taken"), [("latest", "latest"), ("2", "2"), (2, "2")])
def test_a_choice_is_latest_or_a_number(given: object, taken: str) -> None:
    """A number may be JSON's own, or text as in GET /v1/models."""
    assert Choice.model_validate({"model": "imagenet", "version": given}).version == taken


@pytest.mark.parametrize("given", [True, 1.5, None, "", "newest", "-1", ["latest"], "²"])
def test_other_choices_are_refused(given: object) -> None:
    """With what to write."""
    with pytest.raises(ValidationError, match="write latest, or the number of a version"):
        Choice.model_validate({"model": "imagenet", "version": given})


def test_fields_that_are_not_known_are_refused() -> None:
    """A typing error does not go unnoticed."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Nothing.model_validate({"force": True})
