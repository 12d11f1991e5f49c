"""Traces of a real service, sent to a real collector: in every shape, for every kind of request."""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.collector import attributes_of, collecting
from tests.support.pictures import picture
from tests.support.processes import sample, until
from tests.support.server import ServerProcess, running_module
from tests.support.shapes import slow_but

DOCUMENT = Path(__file__).parents[2] / "docs/traces.md"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SHAPES = [("--frontends", "1"), ("--frontends", "2"), ("--frontends", "2", "--engines", "1")]
STAGES = ("receive", "decode", "queue", "infer")
WITHOUT_PACKAGES = """
import sys
sys.modules["opentelemetry.exporter.otlp"] = None
from service.__main__ import main
sys.exit(main(["--traces"]))
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_bundle(tmp_path, "photos", 1)
    return tmp_path


def serving(
    models: Path, *flags: str, variables: Mapping[str, str], wait: bool | None = True
) -> AbstractContextManager[ServerProcess]:
    """A service with these variables; see running_module."""
    return running_module("service", "--port", "0", "--models", str(models), *flags, environment=variables, wait=wait)


@pytest.mark.parametrize("shape", slow_but(SHAPES[2], SHAPES), ids=" ".join)
def test_a_request_has_a_span_for_itself_and_for_each_stage(models: Path, shape: tuple[str, ...]) -> None:
    """In the caller's trace; the response and the log name the span. What is not sampled is not sent."""
    variables = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_SERVICE_NAME": "shop"}
    with collecting() as collector:
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        with serving(models, *shape, "--traces", "--access-log", variables=variables) as server:
            url = f"{server.url}/v1/classify"
            unsampled = {"traceparent": f"00-{'1' * 32}-{SPAN}-00"}
            quiet = httpx.post(url, content=picture(), headers=unsampled).headers["traceresponse"]
            sampled = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "rojo=1"}
            given = httpx.post(url, content=picture(), headers=sampled).headers["traceresponse"]
            own = httpx.post(url, files=[("image", picture())] * 3).headers["traceresponse"]
            refused = httpx.post(url, content=b"rubbish").headers["traceresponse"]
            wanted = [each.split("-")[1] for each in (given, own, refused)]
            until(lambda: all(collector.of(trace) for trace in wanted), server)
            assert sample(server, 'snellen_spans_total{result="sent"}') == 5 + 5 + 2
    assert quiet.startswith(f"00-{'1' * 32}-")
    assert quiet.endswith("-00")
    assert not collector.of("1" * 32)

    spans = collector.of(TRACE)
    assert spans.keys() == {"POST /v1/classify", *STAGES}
    request = spans["POST /v1/classify"]
    assert given == f"00-{TRACE}-{request.span_id.hex()}-01"
    assert request.parent_span_id.hex() == SPAN
    assert request.trace_state == "rojo=1"
    assert f"trace {TRACE}" in server.log
    known = attributes_of(request)
    assert (known["http.route"], known["http.response.status_code"]) == ("/v1/classify", 200)
    assert (known["snellen.model"], known["snellen.version"], known["snellen.images"]) == ("photos", 1, 1)
    for stage in STAGES:
        assert spans[stage].parent_span_id == request.span_id
        assert request.start_time_unix_nano <= spans[stage].start_time_unix_nano
        assert spans[stage].start_time_unix_nano < spans[stage].end_time_unix_nano <= request.end_time_unix_nano
    assert attributes_of(spans["infer"]) == {"snellen.batch_size": 1}
    assert {service["service.name"] for service, _ in collector.spans} == {"shop"}

    several = collector.of(wanted[1])
    assert several.keys() == spans.keys()
    assert attributes_of(several["POST /v1/classify"])["snellen.images"] == 3
    assert 1 <= int(attributes_of(several["infer"])["snellen.batch_size"]) <= 3
    failed = attributes_of(collector.of(wanted[2])["POST /v1/classify"])
    assert (failed["error.type"], failed["http.response.status_code"]) == ("unsupported-format", 415)


def test_no_request_waits_for_a_collector(models: Path) -> None:
    """That is not there: requests are answered, spans are counted as lost, and the service ends in time."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "3"}
    variables["OTEL_BSP_SCHEDULE_DELAY"] = "50"
    with serving(models, "--traces", "--drain-delay-s", "0", variables=variables) as server:
        for _ in range(10):
            assert httpx.post(f"{server.url}/v1/classify", content=picture()).status_code == 200
        until(lambda: "spans do not reach the collector" in server.log, server)
        assert (sample(server, 'snellen_spans_total{result="failed"}') or 0) >= 5
        server.terminate()
        assert server.process.wait(30) == 0
    assert server.log.count("spans do not reach the collector") == 1
    assert "Connection refused" in server.log


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector", "takes a URL such as http://collector:4318, not 'collector'"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "takes http/protobuf, the only protocol of this service, not 'grpc'"),
    ],
)
def test_a_wrong_variable_refuses_the_start(models: Path, variable: str, value: str, sentence: str) -> None:
    """In one line, with status 2; without traces it does not matter."""
    with serving(models, "--traces", wait=None, variables={variable: value}) as server:
        assert server.process.wait(60) == 2
    assert server.log == f"snellen: {variable} {sentence}\n"
    with serving(models, variables={variable: value}):
        pass


def test_without_the_packages_the_start_says_what_to_install() -> None:
    """In one line, with status 2."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_PACKAGES], capture_output=True, text=True, check=False)
    sentence = "traces take packages that are not installed: pip install 'snellen[otel]'"
    assert (done.returncode, done.stderr) == (2, f"snellen: --traces (SNELLEN_TRACES): {sentence}\n")


def test_the_commands_of_the_document_work(models: Path) -> None:
    """The service of each one sends its spans to a collector."""
    commands = re.findall(r"^(OTEL_.*)snellen serve (.*)$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(commands) == 2
    for variables, arguments in commands:
        given = dict(each.split("=", 1) for each in shlex.split(variables))
        with collecting() as collector:
            given |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
            with serving(models, *shlex.split(arguments), variables=given) as server:
                traced = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
                httpx.post(f"{server.url}/v1/classify", content=picture(), headers=traced)
                until(lambda: bool(collector.of(TRACE)), server)
