"""wrk's command, its script and its output."""

import shutil
from pathlib import Path

import pytest

from benchmarks.harness.server_process import free_port, running
from benchmarks.harness.servers import Server, _uvicorn
from benchmarks.load import closed_loop
from benchmarks.load.closed_loop import SCRIPT, Body, command, parse
from benchmarks.sample_images import BYTES_TYPE

LINE = (
    '{"seconds": 2.0, "answers": 50, "failed": 10, "p50_ms": 1.5, "p90_ms": 2.0, "p99_ms": 3.0, "max_ms": 4.0, '
    '"timeouts": 0, "socket_errors": 0}'
)


def test_the_script_that_posts_the_body_exists() -> None:
    """And is what the command names."""
    assert SCRIPT.exists()
    words = command("http://a/", Body(Path("b.jpg"), "image/jpeg"), 8, 5)
    assert words[words.index("--script") + 1] == str(SCRIPT)
    assert words[-3:] == ["--", "b.jpg", "image/jpeg"]
    assert words[words.index("--duration") + 1] == "5s"


def test_only_good_answers_count() -> None:
    """Statuses of 400 and above are no throughput."""
    values = parse(f"Running 2s test\n{LINE}\n")
    assert values["per_s"] == 20
    assert values["p99_ms"] == 3


def test_without_answers_there_are_no_percentiles() -> None:
    """wrk says 0, which would be the best of all."""
    values = parse(LINE.replace('"answers": 50, "failed": 10', '"answers": 0, "failed": 0'))
    assert values["per_s"] == 0
    assert not [name for name in values if name.endswith("_ms")]


def test_a_window_counts_alone() -> None:
    """Connections that fill and answers that never come are outside; the failed ones are spread over the load."""
    values = parse(LINE.replace('"socket_errors": 0', '"socket_errors": 0, "counted": 35, "window_s": 1.4'))
    assert values["per_s"] == pytest.approx(35 / 1.4 * 0.8)


def test_the_window_is_a_share_of_whole_seconds() -> None:
    """After the body and its type."""
    words = command("http://a/", Body(Path("b.jpg"), "image/jpeg"), 8, 2, windowed=True)
    assert words[-2:] == ["0.5", "1.9"]


def test_output_without_a_result_is_an_error() -> None:
    """Not a zero."""
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused")


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_posts_the_file_to_a_real_server(tmp_path: Path) -> None:
    """For one second, to the echo that is the bare HTTP of the comparison."""
    image = tmp_path / "image"
    image.write_bytes(bytes(range(256)) * 4)
    port = free_port()
    server = Server(
        "echo-test", _uvicorn("benchmarks.harness.echo_server:app", port, 1), port, "/", Body(image, BYTES_TYPE)
    )
    with running(server) as started:
        values = closed_loop.run(started.server.url, started.server.body, 2, 1)
    assert values["answers"] > 0
    assert values["failed"] == values["socket_errors"] == 0
