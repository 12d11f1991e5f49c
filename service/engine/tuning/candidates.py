"""The candidates for a model: the configurations that follow from the options of tuning, and their batch times."""

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from math import ceil
from pathlib import Path
from statistics import mean

from models.contract import Bundle, Precision
from service.engine.batch_sizes import prepared_sizes
from service.engine.engines import LocalEngine, every_provider, obstacle, runtime_of
from service.engine.profile import Measurement
from service.engine.providers import EVERY, ON_GPU, OPENVINO, EngineOptions, options_of
from service.engine.session import installed_providers
from service.engine.tuning.profile_cache import gpu, key_of, processor

_MANY_WINDOWS = 5
"""Timings after which a mean is trusted even if smaller batches are faster: they do fit into caches better."""


@dataclass(frozen=True)
class TuningOptions:
    """Options of tuning; see Settings for those that are not listed here. 0 means that tuning decides.

    precision: None for the fastest variant of the bundle. cores: of this process. latency_s: limit of a batch of more
    than one image. cache: folder, None for none. low_priority: whether the process has cores only while serving
    processes do not want them; it measures for those.
    """

    providers: tuple[str, ...] = ()
    strict: bool | None = None
    precision: Precision | None = Precision.FP32
    concurrency: int = 0
    threads_per_batch: int = 0
    max_batch_size: int = 32
    cores: int = 1
    latency_s: float = 0.05
    budget_s: float = 0.3
    cache: Path | None = None
    low_priority: bool = False


@dataclass
class Candidate:
    """A configuration, its engine while it is open, and its batch times.

    untried: batch sizes without a timing, ascending. seconds: estimated seconds of a batch by its size.
    """

    options: EngineOptions
    untried: list[int]
    engine: LocalEngine | None = None
    seconds: dict[int, float] = field(default_factory=dict)
    _windows: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def variant(self) -> tuple[Precision, str, bool]:
        """What decides whether a session runs at all; threads do not matter for that."""
        return self.options.precision, self.options.providers[0], self.options.cuda_graph

    def add(self, size: int, seconds: float) -> None:
        """Add one timing.

        The mean of the faster half counts: other load only slows a run down, and a single fast timing may be luck.
        After few timings it is at most the time of smaller batches in a row: anything above is due to other load.
        """
        insort(self._windows[size], seconds)
        for each, windows in sorted(self._windows.items()):
            self.seconds[each] = mean(windows[: (len(windows) + 1) // 2])
            if len(windows) < _MANY_WINDOWS:
                in_a_row = (ceil(each / less) * self.seconds[less] for less in self._windows if less < each)
                self.seconds[each] = min([self.seconds[each], *in_a_row])

    def leave_out_unprepared(self) -> None:
        """Do not try sizes that the engine runs image by image: they take as long, and only noise could choose them."""
        sizes = self.engine.sizes if self.engine else ()
        if sizes:
            self.untried = [size for size in self.untried if size in sizes or size > sizes[-1]]

    def measurement(self, size: int, seconds: float) -> Measurement:
        return Measurement(
            precision=self.options.precision.value,
            provider=self.options.providers[0],
            cuda_graph=self.options.cuda_graph,
            concurrency=self.options.concurrency,
            threads_per_batch=self.options.threads_per_batch,
            batch_size=size,
            seconds=seconds,
        )

    @property
    def measurements(self) -> list[Measurement]:
        return [self.measurement(size, seconds) for size, seconds in sorted(self.seconds.items())]

    def was_chosen(self, chosen: Measurement) -> bool:
        """Return whether a measurement is of this configuration."""
        return chosen == self.measurement(chosen.batch_size, chosen.seconds)

    def close(self) -> None:
        if self.engine is not None:
            self.engine.close()
            self.engine = None


def candidates_of(bundle: Bundle, wanted: TuningOptions) -> list[Candidate]:
    """Return the candidates in the order of the search: the first of every variant, then the second ..."""
    wanted = _within_max_batch(bundle, wanted)
    ways = [(precision, names) for names in _provider_lists(wanted) for precision in precisions_of(bundle, wanted)]
    possible = [(precision, names) for precision, names in ways if obstacle(precision, names) is None]
    variants = [_configurations(bundle, wanted, precision, names) for precision, names in possible or ways]
    sizes = prepared_sizes(wanted.max_batch_size)
    return [Candidate(options, [*sizes]) for turn in zip_longest(*variants) for options in turn if options is not None]


def _within_max_batch(bundle: Bundle, wanted: TuningOptions) -> TuningOptions:
    """Return the options with no larger batches than the graph of the bundle takes."""
    limit = bundle.manifest.max_batch
    return wanted if limit is None else replace(wanted, max_batch_size=min(limit, wanted.max_batch_size))


def precisions_of(bundle: Bundle, wanted: TuningOptions) -> tuple[Precision, ...]:
    """Return the precisions to try, fp32 first. A bundle without the requested variant serves fp32."""
    manifest, precision = bundle.manifest, wanted.precision
    if precision is None:
        return tuple(sorted((each.precision for each in manifest.variants), key=lambda p: p is not Precision.FP32))
    return (precision,) if manifest.variant(precision) else (Precision.FP32,)


def _provider_lists(wanted: TuningOptions) -> list[tuple[str, ...]]:
    """Return the provider lists to try, each as in EngineOptions.

    Without a wish, CUDA where it is installed; else every library for the CPU, since all compute the same.
    """
    if wanted.providers == EVERY:
        return [(name,) for name in every_provider()]
    if wanted.providers:
        return [wanted.providers]
    if "cuda" in installed_providers():
        return [installed_providers()]
    return [("cpu",), *([(OPENVINO,)] if OPENVINO in every_provider() else [])]


def _configurations(
    bundle: Bundle, wanted: TuningOptions, precision: Precision, names: tuple[str, ...]
) -> list[EngineOptions]:
    """Return the configurations of one variant on these providers.

    On the CPU all that use all cores, with 1, 2, 4 ... threads for each batch. On a GPU one batch at a time, or two so
    that the second one's pixels are copied meanwhile.
    """
    common = EngineOptions(
        providers=names,
        strict=True if len(_provider_lists(wanted)) > 1 else wanted.strict,
        cores=wanted.cores,
        precision=precision,
        tf32=wanted.precision is None,
        largest=wanted.max_batch_size,
        compiled=_compiled_folder(bundle, wanted, names[0]),
    )
    if names[0] in ON_GPU:
        found = [replace(common, concurrency=each) for each in ([wanted.concurrency] if wanted.concurrency else [1, 2])]
        if names[0] == "cuda" and wanted.concurrency < 2:  # CUDA graphs must not be used by several threads
            found.append(replace(common, concurrency=1, cuda_graph=True, strict=True))
        return found
    most = max(1, wanted.cores // max(1, wanted.concurrency))
    threads = [wanted.threads_per_batch] if wanted.threads_per_batch else prepared_sizes(most)
    return [
        replace(common, threads_per_batch=each, concurrency=wanted.concurrency or max(1, wanted.cores // each))
        for each in threads
    ]


def _compiled_folder(bundle: Bundle, wanted: TuningOptions, name: str) -> Path | None:
    """Return the folder for what a provider compiles, valid for one device, runtime and model; None for no folder."""
    if wanted.cache is None:
        return None
    facts: dict[str, object]
    if name == "tensorrt":
        facts = {"gpu": gpu(), "models": _hashes(bundle, wanted)}
    elif name == OPENVINO:
        facts = {"cpu": processor(), "bundle": bundle.sha256}
    else:
        return None
    return wanted.cache / name / key_of(facts | {"runtime": runtime_of(name)})[:32]


def _hashes(bundle: Bundle, wanted: TuningOptions) -> Mapping[str, str]:
    files = {file.path: file.sha256 for file in bundle.manifest.files}
    variants = bundle.manifest.variants
    return {
        each.precision.value: files[each.path] for each in variants if each.precision in precisions_of(bundle, wanted)
    }


def profile_key(bundle: Bundle, wanted: TuningOptions) -> str:
    """Return the cache key of the profile: two searches with the same key would find the same."""
    wanted = replace(_within_max_batch(bundle, wanted), budget_s=0.0, cache=None)
    image, options = (
        bundle.manifest.input.shape,
        EngineOptions(tf32=wanted.precision is None, largest=wanted.max_batch_size),
    )
    names = [name for names in _provider_lists(wanted) for name in names]
    return key_of(
        {
            "models": _hashes(bundle, wanted),
            "providers": {name: options_of(name, image, options) for name in names},
            "cpu": processor(),
            "gpu": gpu(),
            "runtime": sorted({runtime_of(name) for name in names}),
            "wanted": {name: str(value) for name, value in vars(wanted).items() if name != "low_priority"},
        }
    )
