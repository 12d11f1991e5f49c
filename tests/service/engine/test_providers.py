"""What providers are opened with."""

import json

from service.engine.providers import EngineOptions, options_of


def test_several_processes_with_openvino_do_not_share_one_core() -> None:
    """A number of threads alone pins them, in each process to the first cores."""
    options = options_of("openvino", (8, 8, 3), EngineOptions(concurrency=2, threads_per_batch=3))
    assert (options["num_streams"], options["num_of_threads"]) == ("2", "6")
    assert json.loads(options["load_config"]) == {"CPU": {"ENABLE_CPU_PINNING": "NO"}}
