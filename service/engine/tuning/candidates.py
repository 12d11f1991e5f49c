"""The candidates for a model: the settings that matter, and the configurations that follow from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from models.contract import Bundle, Precision
from service.engine.onnx_engine import OnnxEngine
from service.engine.profile import Measurement
from service.engine.providers import EVERY, ON_GPU, SessionUse, options_of
from service.engine.session import RUNTIME, EngineOptions, all_providers, installed_providers
from service.engine.tuning import hardware
from service.engine.tuning.candidate import CandidateConfig, CandidateSession
from service.engine.tuning.parallelism import Parallelism, cpu_shapes, gpu_shapes
from service.engine.tuning.profile_cache import key_of
from service.engine.verification import open_again, open_verified


@dataclass(frozen=True)
class TuningOptions:
    """Options of tuning; see Settings for those that are not listed here. 0 means that tuning decides.

    precision: None for the fastest variant of the bundle. cores: of this process. latency_s: limit of a batch of more
    than one image. cache: folder, None for none.
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


@dataclass(frozen=True)
class Candidates:
    """The configurations in which one bundle could be served with these options."""

    bundle: Bundle
    wanted: TuningOptions
    _verified: set[tuple[Precision, str]] = field(default_factory=set)

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions to try, fp32 first. A bundle without the requested variant serves fp32."""
        manifest, precision = self.bundle.manifest, self.wanted.precision
        if precision is None:
            return tuple(sorted((each.precision for each in manifest.variants), key=lambda p: p is not Precision.FP32))
        return (precision,) if manifest.variant(precision) else (Precision.FP32,)

    @property
    def provider_lists(self) -> tuple[tuple[str, ...], ...]:
        """The provider lists to try, each as in EngineOptions."""
        if self.wanted.providers == EVERY:
            return tuple((name,) for name in all_providers())
        return (self.wanted.providers,)

    @property
    def variants(self) -> list[tuple[Precision, tuple[str, ...]]]:
        """The precisions, each with the providers that it may run on."""
        return [(precision, names) for names in self.provider_lists for precision in self.precisions]

    def lanes(self) -> list[CandidateConfig]:
        """Return the configurations in the order of the search: the first of every variant, then the second ...

        Configurations that use the same session share a CandidateSession.
        """
        turns = zip_longest(*(self._of(precision, names) for precision, names in self.variants))
        return [lane for turn in turns for lane in turn if lane is not None]

    def chosen(self, tried: Measurement) -> CandidateConfig:
        """Return the configuration of a measurement. Raises KeyError when it is not among the candidates any more."""
        for lane in self.lanes():
            contender, shape = lane.contender, Parallelism(tried.concurrency, tried.threads_per_batch)
            if (contender.precision, contender.provider, contender.cuda_graph, lane.shape) == (
                tried.precision,
                tried.provider,
                tried.cuda_graph,
                shape,
            ):
                return lane
        raise KeyError(tried)

    def _of(self, precision: Precision, names: tuple[str, ...]) -> Iterator[CandidateConfig]:
        first = (names or installed_providers())[0]
        if first in ON_GPU:
            graphs = (False, True) if first == "cuda" else (False,)
            for graph in graphs:
                shapes = gpu_shapes(self.wanted.concurrency, cuda_graph=graph)
                yield from self._sharing(precision, names, first, shapes, graph=graph)
        else:
            for shape in cpu_shapes(self.wanted.cores, self.wanted.concurrency, self.wanted.threads_per_batch):
                yield from self._sharing(precision, names, first, [shape])

    def _sharing(
        self,
        precision: Precision,
        names: tuple[str, ...],
        first: str,
        shapes: Sequence[Parallelism],
        *,
        graph: bool = False,
    ) -> Iterator[CandidateConfig]:
        if shapes:
            options = self._options(precision, names, first, shapes[0], graph=graph)
            contender = CandidateSession(precision, first, graph, lambda: self._open(precision, first, options))
            yield from (CandidateConfig(contender, shape) for shape in shapes)

    def _options(
        self, precision: Precision, names: tuple[str, ...], first: str, shape: Parallelism, *, graph: bool
    ) -> EngineOptions:
        wanted = self.wanted
        return EngineOptions(
            names,
            True if wanted.providers == EVERY or graph else wanted.strict,
            shape.threads_per_batch,
            shape.concurrency,
            wanted.cores,
            precision,
            wanted.precision is None,
            wanted.max_batch_size,
            graph,
            self._engines(first),
        )

    def _open(self, precision: Precision, first: str, options: EngineOptions) -> OnnxEngine:
        if (precision, first) in self._verified:
            return open_again(self.bundle, options, precision)
        engine = open_verified(self.bundle, options, precision)
        self._verified.add((precision, first))
        return engine

    def _engines(self, provider: str) -> Path | None:
        """Return the folder for engines that TensorRT builds, each valid for one GPU, driver, runtime and model."""
        if provider != "tensorrt" or self.wanted.cache is None:
            return None
        facts = {"gpu": hardware.gpu(), "runtime": RUNTIME, "models": self._hashes()}
        return self.wanted.cache / "tensorrt" / key_of(facts)[:32]

    def _hashes(self) -> dict[str, str]:
        manifest = self.bundle.manifest
        files = {file.path: file.sha256 for file in manifest.files}
        return {
            each.precision.value: files[each.path] for each in manifest.variants if each.precision in self.precisions
        }

    def key(self) -> str:
        """Return the cache key of the profile: two searches with the same key would find the same."""
        wanted = replace(self.wanted, budget_s=0.0, cache=None)
        purpose = SessionUse(
            self.bundle.manifest.input.shape, tf32=wanted.precision is None, largest=wanted.max_batch_size
        )
        names = [name for names in self.provider_lists for name in (names or installed_providers())]
        return key_of(
            {
                "models": self._hashes(),
                "providers": {name: options_of(name, purpose) for name in names},
                "cpu": hardware.processor(),
                "gpu": hardware.gpu(),
                "runtime": RUNTIME,
                "wanted": {name: str(value) for name, value in vars(wanted).items()},
            }
        )
