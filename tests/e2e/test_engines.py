"""Frontends and engines as real processes: whoever dies, accepted requests are answered and no slot is lost."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from benchmarks.harness import simulated
from service.frontend import MODELS_AT_FULL_LOAD
from tests.support.bundles import add_baseline, write_bundle
from tests.support.pictures import GREEN, picture
from tests.support.processes import engines_of, frontends_of, sample, until
from tests.support.server import ServerProcess, running

FREE, TAKEN = 'snellen_slots{state="free"}', 'snellen_slots{state="taken"}'
SLOW = "1:300"
"""A device of 300 ms for each image: requests are with it when a test looks."""
MANY_S = 60


@contextmanager
def service(
    repository: Path, *flags: str, frontends: int = 2, engines: int = 1, device: str = ""
) -> Iterator[ServerProcess]:
    """All processes at work."""
    counts = [
        "--frontends",
        str(frontends),
        "--engines",
        str(engines),
        "--drain-delay-s",
        "0",
        "--deadline-s",
        str(MANY_S),
    ]
    with running(repository, *counts, *flags, wait=False, **simulated.environment(device)) as server:
        until(lambda: at_work(server, "frontend") == frontends and at_work(server, "engine") == engines, server)
        yield server


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[ServerProcess]:
    write_bundle(tmp_path)
    with service(tmp_path, device=SLOW) as server:
        yield server


def at_work(server: ServerProcess, kind: str) -> float | None:
    return sample(server, f'snellen_processes{{kind="{kind}"}}')


def classify(server: ServerProcess, **headers: str) -> httpx.Response:
    """On a connection of its own."""
    return httpx.post(f"{server.url}/v1/classify", content=picture(GREEN), timeout=2 * MANY_S, headers=headers)


def in_flight(server: ServerProcess, pool: ThreadPoolExecutor, count: int) -> "list[Future[httpx.Response]]":
    """Requests that are all accepted: their images lie in slots, or have been answered before."""
    calls = [pool.submit(classify, server) for _ in range(count)]
    until(lambda: sum(call.done() for call in calls) + (sample(server, TAKEN) or 0) >= count, server)
    return calls


def all_free(server: ServerProcess) -> None:
    until(lambda: sample(server, TAKEN) == 0, server)


def test_the_answer_is_that_of_one_process(tmp_path: Path) -> None:
    """Class map, catalogue and problems included."""
    write_bundle(tmp_path)
    with service(tmp_path) as several, running(tmp_path) as one:
        for path in ("/v1/classify?top_k=3", "/v1/classify?explain=heatmap&coverage=0.9", "/v1/classify?dense=1"):
            answers = [httpx.post(server.url + path, content=picture(GREEN)).json() for server in (several, one)]
            assert [answer.pop("request_id", None) is None for answer in answers] in ([True] * 2, [False] * 2)
            assert answers[0] == answers[1]
        engines = [httpx.get(f"{server.url}/v1/models/colours").json()["engine"] for server in (several, one)]
        assert engines[0]["provider"] == engines[1]["provider"] == "cpu"
        assert engines[0]["batch_profile"]
        all_free(several)


def test_frontends_and_engines_count_an_answer_once_and_show_one_baseline(tmp_path: Path) -> None:
    """Counts of all frontends are added; the baseline, which every process knows, is not."""
    add_baseline(write_bundle(tmp_path))
    with service(tmp_path, engines=2) as server:
        assert [classify(server).status_code for _ in range(6)] == [200] * 6
        version = 'model="colours",version="1"'
        green = f'class_id="1",label="green",{version}'
        assert sample(server, f"snellen_predicted_images_total{{{green}}}") == 6
        assert sample(server, f'snellen_confidence_images_total{{bin="0.9 to 1",{version}}}') == 6
        assert sample(server, f"snellen_baseline_class_share{{{green}}}") == 0.3
        assert sample(server, f"snellen_baseline_images{{{version}}}") == 1000


def test_an_engine_that_dies_loses_no_request(slow: ServerProcess) -> None:
    """What it held is run again by the next one."""
    free = sample(slow, FREE)
    with ThreadPoolExecutor(8) as pool:
        calls = in_flight(slow, pool, 8)
        os.kill(engines_of(slow)[0], signal.SIGKILL)
        assert [call.result().status_code for call in calls] == [200] * 8
    all_free(slow)
    assert sample(slow, FREE) == free
    assert sample(slow, 'snellen_process_restarts_total{kind="engine"}') == 1


def test_one_of_two_engines_carries_on(tmp_path: Path) -> None:
    """Requests do not wait for the other's restart."""
    write_bundle(tmp_path)
    with service(tmp_path, engines=2, device=SLOW) as server, ThreadPoolExecutor(8) as pool:
        calls = in_flight(server, pool, 8)
        os.kill(engines_of(server)[0], signal.SIGKILL)
        assert [call.result().status_code for call in calls] == [200] * 8
        all_free(server)


def test_a_front_that_dies_takes_its_slots_with_it(slow: ServerProcess) -> None:
    """The other frontend's requests are answered; the next one begins with all slots free."""
    free = sample(slow, FREE)
    with ThreadPoolExecutor(8) as pool:
        calls = in_flight(slow, pool, 8)
        os.kill(frontends_of(slow)[0], signal.SIGKILL)
        answers = [call.exception() or call.result().status_code for call in calls]
    assert 200 in answers
    assert all(answer == 200 or isinstance(answer, httpx.TransportError) for answer in answers)
    until(lambda: at_work(slow, "frontend") == 2, slow)
    all_free(slow)
    assert sample(slow, FREE) == free
    assert classify(slow).status_code == 200


def test_a_drain_under_load_answers_everything(slow: ServerProcess) -> None:
    """Engines end after the frontends."""
    with ThreadPoolExecutor(8) as pool:
        calls = in_flight(slow, pool, 8)
        slow.terminate()
        assert [call.result().status_code for call in calls] == [200] * 8
        assert slow.process.wait(MANY_S) == 0


def test_without_the_supervisor_accepted_requests_are_answered_and_nothing_is_left(slow: ServerProcess) -> None:
    """No process, and no memory with a name."""
    pids = frontends_of(slow) + engines_of(slow)
    with ThreadPoolExecutor(4) as pool:
        calls = in_flight(slow, pool, 4)
        slow.process.kill()
        slow.process.wait()
        assert [call.result().status_code for call in calls] == [200] * 4
    end = time.monotonic() + MANY_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert not [name for name in os.listdir("/dev/shm") if "snellen" in name]


def test_slots_of_an_engine_that_hangs_are_refused_and_come_back(tmp_path: Path) -> None:
    """Deadlines free nothing that the engine may still read."""
    write_bundle(tmp_path)
    with service(tmp_path, "--max-queue", "2", frontends=1) as server:
        engine = engines_of(server)[0]
        os.kill(engine, signal.SIGSTOP)
        hasty = {"X-Deadline-Ms": "100"}
        slots = 2 * MODELS_AT_FULL_LOAD
        assert [classify(server, **hasty).status_code for _ in range(slots)] == [504] * slots
        refused = classify(server, **hasty)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/queue-full")
        os.kill(engine, signal.SIGCONT)
        all_free(server)
        assert classify(server).status_code == 200


def test_an_engine_that_hangs_loses_no_request(tmp_path: Path) -> None:
    """It is killed, and what it held is run again within its deadline."""
    write_bundle(tmp_path)
    with service(tmp_path, "--worker-timeout-s", "3", device=SLOW) as server, ThreadPoolExecutor(4) as pool:
        calls = in_flight(server, pool, 4)
        hangs = engines_of(server)[0]
        os.kill(hangs, signal.SIGSTOP)
        assert [call.result().status_code for call in calls] == [200] * 4
        until(lambda: hangs not in engines_of(server), server)
        until(lambda: "engine 0 has not answered for 3 s and is killed" in server.log, server)
        all_free(server)


def test_a_service_whose_engine_cannot_start_gives_up(tmp_path: Path) -> None:
    """With one line, instead of starting it for ever."""
    write_bundle(tmp_path)
    nonsense = simulated.environment("nonsense")
    with running(tmp_path, "--frontends", "1", "--engines", "1", wait=False, **nonsense) as server:
        assert server.process.wait(MANY_S) == 1
    assert server.log.count("snellen: engine 0 has died") == 1
