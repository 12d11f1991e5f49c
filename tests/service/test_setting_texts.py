"""Words about settings, in the help, in docs/settings.md and in refusals."""

import pytest
from pydantic import ValidationError

from service.setting_texts import choices, default_text, facts, hint_for_variable, placeholder, wrong_value
from service.settings import Settings


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("providers", "cuda,cpu"),
        ("keep_alive_s", "SECONDS"),
        ("max_batch_latency_ms", "MILLISECONDS"),
        ("max_body_bytes", "BYTES"),
        ("max_dense_pixels", "PIXELS"),
        ("models", "FOLDER"),
        ("profile_cache", "FOLDER"),
        ("max_queue", "NUMBER"),
        ("log_level", "debug|info|warning|error"),
        ("precision", "fp32|fp16|bf16|int8|pruned|auto"),
    ],
)
def test_a_value_is_shown_as_it_is_typed(name: str, shown: str) -> None:
    """An example, the choices or a unit."""
    assert placeholder(name) == shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "default: 8000; permitted: 0 to 65,535"),
        ("max_body_bytes", "default: 33554432, which is 32 MiB; permitted: 1 to 4,294,967,296"),
        ("decode_threads", "default: number of cores; permitted: 1 to 256"),
        ("default_model", ""),
        ("providers", ""),
        ("access_log", "default: off"),
        ("precision", "default: fp32"),
    ],
)
def test_default_and_range_are_said_in_words(name: str, text: str) -> None:
    """A default can be copied; the range is for reading."""
    assert facts(name) == text


def test_a_setting_that_may_be_unset_says_what_that_means() -> None:
    """Since the help names no default for it."""
    unset = [name for name in Settings.model_fields if default_text(name) == "unset"]
    assert unset
    assert [name for name in unset if "unset: " not in str(Settings.model_fields[name].description)] == []


def test_choices_are_found_inside_lists_and_beside_none() -> None:
    """They are what a misspelt value is compared with."""
    assert choices("providers") == ("cpu", "cuda", "tensorrt", "openvino", "auto")
    assert choices("host") == ()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("port", "http", "--port (SNELLEN_PORT) takes a whole number from 0 to 65,535, not 'http'"),
        ("port", "70000", "--port (SNELLEN_PORT) takes a whole number from 0 to 65,535, not '70000'"),
        ("deadline_s", "nan", "--deadline-s (SNELLEN_DEADLINE_S) takes a number above 0, to 3,600, not 'nan'"),
        (
            "log_level",
            "Warn",
            "--log-level (SNELLEN_LOG_LEVEL) takes one of debug, info, warning, error, not 'Warn'; did you mean "
            "warning?",
        ),
        (
            "formats",
            "png,jpg",
            "--formats (SNELLEN_FORMATS) takes some of JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIC, with commas "
            "between, not 'JPG'; did you mean JPEG?",
        ),
        (
            "formats",
            " , ",
            "--formats (SNELLEN_FORMATS) takes some of JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIC, with commas "
            "between, and is empty",
        ),
        (
            "precision",
            "in8",
            "--precision (SNELLEN_PRECISION) takes one of fp32, fp16, bf16, int8, pruned, auto, not 'in8'; did you "
            "mean int8?",
        ),
        ("strict", "perhaps", "--strict (SNELLEN_STRICT) takes true or false, not 'perhaps'"),
        (
            "allow_origins",
            "shop.example",
            "--allow-origins (SNELLEN_ALLOW_ORIGINS): 'shop.example' is no origin: write scheme and host only, as in "
            "https://shop.example:8443",
        ),
        (
            "max_queue",
            "9" * 100,
            f"--max-queue (SNELLEN_MAX_QUEUE) takes a whole number from 1 to 100,000, not '{'9' * 60}...'",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(name: str, value: str, sentence: str) -> None:
    """What the setting takes, what came, and the choice that is meant."""
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({name: value})
    assert wrong_value(refused.value.errors()[0]) == sentence


def test_a_misspelt_variable_is_answered_with_the_one_that_is_meant() -> None:
    """In any case, as variables are read."""
    assert hint_for_variable("SNELLEN_PRT") == "did you mean SNELLEN_PORT?"
    assert hint_for_variable("snellen_max_que") == "did you mean SNELLEN_MAX_QUEUE?"
    assert hint_for_variable("SNELLEN_COLOUR_OF_THE_SKY") == "snellen serve --help lists all"
