"""Classifies the parts of a run on Ray Data: one actor for each engine, on one machine or on several.

What it needs is in the output folder and in the bundle, so all machines must reach both, and the inputs, at the same
paths. Ray gives the part of an actor that was lost to another one; a part becomes whole only once.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError

from models.contract import MANIFEST, BundleError, sha256_of
from service.engine.session import EngineRejected
from snellen.bulk.batch_size import fastest_batch
from snellen.bulk.errors import Refused, Stopped
from snellen.bulk.parts import Output
from snellen.bulk.run import classify_parts
from snellen.extras import missing_sentence
from snellen.offline import Opening, open_offline

_MOST_CORES = 8
"""Cores of an engine: with more, the threads of one Python process wait for each other."""
_CONNECT_S = 10.0
"""Seconds in which the head of the cluster accepts a connection."""
_GPU_PROVIDERS = {"cuda", "tensorrt"}


class PartClassifier:
    """An actor: opens the bundle once, then classifies part after part."""

    def __init__(self, opening: Opening, output: Path, folder: str, cores: int, *, measure: bool) -> None:
        """output: relative paths start at `folder`, those of the inputs too. measure: whether batches are tried."""
        self._output, self._cores = Output(output), cores
        self._classifier, self._batch, self._error = None, 1, ""
        try:
            os.chdir(folder)
            job = self._output.job()
            if job is None:
                raise Refused(f"{output} is not there, or holds no run; all machines have to reach it at this path")
            if opening.heic and (missing := missing_sentence("heic")):
                raise Refused(f"--heic: {missing}")
            if sha256_of(opening.folder / MANIFEST) != job.options.manifest:
                raise Refused(f"{opening.folder} holds another bundle than on the machine where the run began")
            classifier = open_offline(opening, cores)
            if classifier.engine.provider != job.options.provider:
                raise Refused(
                    f"the engine runs on {classifier.engine.provider}, and on {job.options.provider} where the run "
                    "began: name what all machines have with --providers"
                )
        except (Refused, BundleError, EngineRejected, OSError) as error:
            self._error = str(error)
            return
        self._classifier = classifier
        self._batch = fastest_batch(classifier.engine, classifier.manifest) if measure else 1

    def __call__(self, row: dict[str, int]) -> dict[str, int | str]:
        """Classify the part with the number `item`; return it, and why it could not be made, empty if it was."""
        error = self._error
        if self._classifier is not None:
            try:
                classify_parts(self._classifier, self._output, [row["item"]], batch=self._batch, cores=self._cores)
            except (Refused, Stopped) as stopped:
                error = str(stopped)
        return {"part": row["item"], "error": error}


def classify_on_ray(
    opening: Opening,
    output: Output,
    parts: list[int],
    *,
    measure: bool,
    on_part: Callable[[int], None],
    say: Callable[[str], None],
) -> None:
    """Classify some parts of a run that was begun in `output`, on the cluster that `ray.init()` finds or starts.

    parts: ascending numbers, at least one. measure: whether each actor tries batches. on_part: called with the number
    of each part that is whole. say: called with what a person has to know meanwhile. Raises Stopped; parts that are
    whole stay.
    """
    with _cluster():
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it warns that the command has its own progress bar
        DataContext.get_current().enable_progress_bars = False
        on_gpu = opening.providers[:1] != () and opening.providers[0] in _GPU_PROVIDERS
        cores, most = engines_of(ray.nodes(), on_gpu=on_gpu)  # type: ignore[no-untyped-call]
        for name, needed in (("CPU", cores), ("GPU", int(on_gpu))):
            if (free := int(ray.available_resources().get(name, 0))) < needed:  # type: ignore[no-untyped-call]
                say(f"an engine needs {needed} {name}, and {free} of the cluster are free; waiting until others end")
        done = ray.data.from_items(parts, override_num_blocks=len(parts)).map(
            PartClassifier,  # type: ignore[arg-type]
            fn_constructor_args=(opening, output.folder, os.getcwd(), cores),
            fn_constructor_kwargs={"measure": measure},
            compute=ActorPoolStrategy(min_size=1, max_size=min(most, len(parts)), max_tasks_in_flight_per_actor=2),
            num_cpus=cores,
            num_gpus=1 if on_gpu else None,
        )
        for row in done.iter_rows():
            if row["error"]:
                raise Stopped(row["error"])
            on_part(row["part"])


@contextmanager
def _cluster() -> Iterator[None]:
    """Be connected to a cluster during the block. Raises Stopped where Ray fails."""
    began = not ray.is_initialized()
    try:
        if began:
            _connect(os.environ.get("RAY_ADDRESS", ""))
        yield
    except (RayError, ConnectionError) as error:
        raise Stopped(f"Ray failed: {str(error).strip().splitlines()[-1]}; the same command goes on") from error
    finally:
        if began:
            ray.shutdown()


def _connect(address: str) -> None:
    """Connect to the cluster at RAY_ADDRESS, or where that is empty to the one of this machine, or start one.

    Raises Stopped. Ray itself tries for minutes where nothing listens.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit() and "/" not in host:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # an error a run about itself, of no consequence
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of this command sends no reports to Ray
        ray.init(logging_level=logging.WARNING, log_to_driver=False)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        where = f"RAY_ADDRESS {address}" if address else "a cluster on this machine"
        raise Stopped(f"{where} cannot be used: {reason}; mend that, and run the same again") from error


def engines_of(nodes: list[dict[str, Any]], *, on_gpu: bool) -> tuple[int, int]:
    """Return the cores of an engine, the same on all machines, and how many engines there can be.

    nodes: as `ray.nodes()` returns them. An engine has all cores of the smallest machine, at most 8; on GPUs there is
    one for each of them. Raises Stopped where no machine has what an engine needs.
    """
    have = [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if on_gpu:
        have = [each for each in have if each.get("GPU", 0) >= 1]
    if not have:
        raise Stopped(f"no machine of the cluster has {'a GPU and ' if on_gpu else ''}a core")
    per_machine = [int(each["GPU"]) if on_gpu else 1 for each in have]
    cores = min(_MOST_CORES, *(max(1, int(each["CPU"]) // n) for each, n in zip(have, per_machine, strict=True)))
    return cores, sum(per_machine) if on_gpu else sum(int(each["CPU"]) // cores for each in have)
