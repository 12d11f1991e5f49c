"""The variables of OpenTelemetry are checked before the start."""

import pytest

from service.telemetry.otel_variables import OtelError, OtelVariables, read_otel_variables


def test_unset_and_empty_variables_have_defaults() -> None:
    """Those of the standard."""
    assert read_otel_variables({}) == OtelVariables(True, 2048, 512, 5.0)
    assert read_otel_variables({"OTEL_BSP_SCHEDULE_DELAY": " ", "OTEL_TRACES_SAMPLER": ""}) == OtelVariables()


def test_values_are_read() -> None:
    """Times in milliseconds; a small queue makes the batches small."""
    given = {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_SCHEDULE_DELAY": "200"}
    assert read_otel_variables(given) == OtelVariables(True, 100, 100, 0.2)
    assert read_otel_variables({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "7"}).batch_size == 7


@pytest.mark.parametrize("given", [{"OTEL_SDK_DISABLED": "True"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_traces_can_be_switched_off_by_variable(given: dict[str, str]) -> None:
    """As the standard says."""
    assert not read_otel_variables(given).enabled


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[::1]:4318/v1/traces"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2.5"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
    ],
)
def test_usable_values_are_left_to_the_sdk(name: str, value: str) -> None:
    """They change nothing here."""
    assert read_otel_variables({name: value}) == OtelVariables()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            "takes a URL such as http://collector:4318, not 'collector",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT takes a URL"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a:99999"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT takes a URL"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "takes http/protobuf, the only protocol of this service, not 'grpc'"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "inf"}, "takes seconds above 0, to 3,600, not 'inf'"),
        ({"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "zstd"}, "takes none, gzip or deflate, not 'zstd'"),
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "OTEL_TRACES_EXPORTER takes otlp or none, not 'jaeger'"),
        ({"OTEL_TRACES_SAMPLER": "often"}, "takes one of always_on, always_off,"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio"}, "OTEL_TRACES_SAMPLER_ARG takes a share from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, "takes a share from 0 to 1"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "takes a whole number from 1 to 1,000,000, not '0'"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "1e3"}, "takes a whole number from 1"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "3000"}, "at most OTEL_BSP_MAX_QUEUE_SIZE, which is 2048, not '3000'"),
    ],
)
def test_an_unusable_value_is_refused_with_its_name(given: dict[str, str], sentence: str) -> None:
    """In a sentence that says what the variable takes."""
    with pytest.raises(OtelError) as refused:
        read_otel_variables(given)
    assert sentence in str(refused.value)
