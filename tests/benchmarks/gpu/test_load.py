"""The load on a real service with frontends and an engine process, and the generator for machines without wrk."""

from pathlib import Path

import pytest

from benchmarks.gpu import load
from benchmarks.gpu.closed_python import summarize
from benchmarks.gpu.end_to_end import default_frontends, measured
from benchmarks.gpu.serving import ServiceOptions, only_bundle_folder, served, server_of
from benchmarks.harness.server_process import ServerFailed, free_port, running
from benchmarks.harness.servers import Server, _uvicorn
from benchmarks.load.closed_loop import Body
from benchmarks.load.open_loop_client import LOST
from benchmarks.sample_images import BYTES_TYPE
from models.contract import Bundle, read_bundle
from tests.support.bundles import write_bundle
from tests.support.pictures import picture


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "models"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(picture(image_format="JPEG"))
    return path


def test_connections_are_shared_among_generators() -> None:
    """Each has one at least."""
    assert load.shares(10, 4) == [3, 3, 2, 2]
    assert load.shares(2, 4) == [1, 1]


def test_several_generators_make_one_result() -> None:
    """Counts and rates are summed, percentiles are the worst, and who had no answer has none."""
    one = {"answers": 30.0, "failed": 1.0, "timeouts": 0.0, "socket_errors": 0.0, "per_s": 29.0, "seconds": 1.0}
    slow = one | {"answers": 10.0, "p50_ms": 8.0, "p90_ms": 9.0, "p99_ms": 10.0, "max_ms": 11.0}
    fast = one | {"p50_ms": 4.0, "p90_ms": 5.0, "p99_ms": 6.0, "max_ms": 7.0}
    values = load.together([slow, fast, one | {"answers": 0.0}])
    assert (values["answers"], values["failed"], values["per_s"]) == (40, 3, 87)
    assert (values["p50_ms"], values["p99_ms"]) == (5, 10)


def test_answers_of_the_python_generator_in_the_words_of_wrk() -> None:
    """Refusals are answers and no throughput; a lost request is neither."""
    values = summarize([(200, 0.1), (200, 0.3), (503, 0.2), (LOST, 5.0)], 2.0)
    assert (values["answers"], values["failed"], values["socket_errors"], values["per_s"]) == (3, 1, 1, 1)
    assert values["p50_ms"] == pytest.approx(200)
    assert "p50_ms" not in summarize([], 1.0)


def test_python_keeps_a_real_server_busy(image: Path) -> None:
    """Two processes of it, with the bare HTTP of the comparison."""
    port = free_port()
    server = Server(
        "echo-gpu-test", _uvicorn("benchmarks.harness.echo_server:app", port, 1), port, "/", Body(image, BYTES_TYPE)
    )
    with running(server) as ready:
        values = load.run("python", ready.server.url, ready.server.body, 4, 0.3, generators=2)
    assert values["answers"] > 4
    assert values["failed"] == values["socket_errors"] == 0
    assert values["p50_ms"] <= values["p99_ms"]


def test_a_load_on_frontends_and_an_engine(bundle: Bundle, image: Path, tmp_path: Path) -> None:
    """All the way, on the CPU's provider."""
    options = ServiceOptions(frontends=2, engines=1, provider="cpu", max_batch_size=4, tune_s=0.1)
    (row,) = measured(bundle, options, image, [4], 1.0, 1, tmp_path)
    assert (row.bundle, row.provider, row.precision) == ("colours/1", "cpu", "fp32")
    assert row.per_s > 0
    assert row.failed == 0
    assert row.mean_batch >= 1
    assert row.per_machine_core == row.per_s / row.machine_cores


def test_a_service_that_cannot_start_says_why(bundle: Bundle, image: Path, tmp_path: Path) -> None:
    """With the end of its log."""
    server = server_of(bundle, ServiceOptions(1, 0, "abacus"), image, tmp_path)
    with pytest.raises(ServerFailed, match="providers"), served(server):
        pass


def test_a_model_that_is_refused_is_not_waited_for(bundle: Bundle, image: Path, tmp_path: Path) -> None:
    """With what `/readyz` says of it."""
    (bundle.path / "model.onnx").write_bytes(b"damaged")
    server = server_of(bundle, ServiceOptions(1, 1, "cpu", tune_s=0.1), image, tmp_path)
    with pytest.raises(ServerFailed, match="was refused at load"), served(server):
        pass


def test_a_bundle_is_served_alone(bundle: Bundle, tmp_path: Path) -> None:
    """Whatever else lies beside it; making the folder again changes nothing."""
    write_bundle(tmp_path / "models", "colours", 2)
    for _ in range(2):
        models = only_bundle_folder(bundle, tmp_path / "link")
    assert [path.relative_to(models).as_posix() for path in models.glob("*/*")] == ["colours/1"]
    assert read_bundle(models / "colours" / "1").manifest == bundle.manifest


@pytest.mark.parametrize(("cores", "frontends"), [(1, [1]), (2, [1]), (4, [1, 2, 3]), (16, [1, 2, 4, 8, 15])])
def test_numbers_of_frontends_for_a_machine(cores: int, frontends: list[int]) -> None:
    """A core is left for the engine."""
    assert default_frontends(cores) == frontends
