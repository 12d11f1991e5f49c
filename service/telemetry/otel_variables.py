"""The variables OTEL_... that the service itself reads or checks, before a process starts that would need them.

The SDK of OpenTelemetry reads these and others, and puts a default in the place of a value that it cannot use. Here a
start is refused instead, so that a typing error does not go unnoticed.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

_RATIO_SAMPLERS = ("traceidratio", "parentbased_traceidratio")
_SAMPLERS = ("always_on", "always_off", "parentbased_always_on", "parentbased_always_off", *_RATIO_SAMPLERS)
_LARGEST = 1_000_000
"""Limit of the numbers: spans, or milliseconds."""


class OtelError(Exception):
    """A variable has a value that the service cannot use; the message says what to change."""


class OtelVariables(NamedTuple):
    """What the service itself needs.

    enabled: False where spans are switched off by variable. most_waiting: spans that wait to be sent; further ones are
    dropped. batch_size: spans sent at a time. delay_s: longest time that a span waits for others.
    """

    enabled: bool = True
    most_waiting: int = 2048
    batch_size: int = 512
    delay_s: float = 5.0


def read_otel_variables(environment: Mapping[str, str]) -> OtelVariables:
    """Return the values, or defaults where a variable is unset or empty. Raises OtelError."""
    given = {name: value.strip() for name, value in environment.items() if name.startswith("OTEL_") and value.strip()}
    exporter = given.get("OTEL_TRACES_EXPORTER", "otlp")
    _require(exporter in {"otlp", "none"}, "OTEL_TRACES_EXPORTER", exporter, "otlp or none")
    for signal in ("", "TRACES_"):
        _check_exporter(given, f"OTEL_EXPORTER_OTLP_{signal}")
    _check_sampler(given)
    most_waiting = _number(given, "OTEL_BSP_MAX_QUEUE_SIZE", OtelVariables().most_waiting)
    batch_size = _number(given, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(OtelVariables().batch_size, most_waiting))
    text = f"at most OTEL_BSP_MAX_QUEUE_SIZE, which is {most_waiting}"
    _require(batch_size <= most_waiting, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(batch_size), text)
    delay_ms = _number(given, "OTEL_BSP_SCHEDULE_DELAY", int(OtelVariables().delay_s * 1000))
    enabled = exporter == "otlp" and given.get("OTEL_SDK_DISABLED", "").lower() != "true"
    return OtelVariables(enabled, most_waiting, batch_size, delay_ms / 1000)


def _check_exporter(given: Mapping[str, str], prefix: str) -> None:
    """Check the variables of the exporter that begin with `prefix`."""
    if (endpoint := given.get(name := f"{prefix}ENDPOINT")) is not None:
        _require(_is_url(endpoint), name, endpoint, "a URL such as http://collector:4318")
    if (protocol := given.get(name := f"{prefix}PROTOCOL")) is not None:
        _require(protocol == "http/protobuf", name, protocol, "http/protobuf, the only protocol of this service")
    if (timeout := given.get(name := f"{prefix}TIMEOUT")) is not None:
        _require(_is(timeout, lambda seconds: 0 < seconds <= 3600), name, timeout, "seconds above 0, to 3,600")
    if (compression := given.get(name := f"{prefix}COMPRESSION")) is not None:
        _require(compression in {"none", "gzip", "deflate"}, name, compression, "none, gzip or deflate")


def _check_sampler(given: Mapping[str, str]) -> None:
    sampler = given.get("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    _require(sampler.lower() in _SAMPLERS, "OTEL_TRACES_SAMPLER", sampler, f"one of {', '.join(_SAMPLERS)}")
    if sampler.lower() in _RATIO_SAMPLERS:
        ratio = given.get("OTEL_TRACES_SAMPLER_ARG", "")
        _require(
            _is(ratio, lambda share: 0 <= share <= 1),
            "OTEL_TRACES_SAMPLER_ARG",
            ratio,
            "a share from 0 to 1 for this sampler, as in 0.1",
        )


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    _require(text.isdecimal() and 1 <= int(text) <= _LARGEST, name, text, f"a whole number from 1 to {_LARGEST:,}")
    return int(text)


def _is(text: str, fits: Callable[[float], bool]) -> bool:
    try:
        return fits(float(text))
    except ValueError:
        return False


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _require(right: bool, name: str, value: str, takes: str) -> None:
    if not right:
        raise OtelError(f"{name} takes {takes}, not {value[:100]!r}")
