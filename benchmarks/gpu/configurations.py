"""List the configurations in which a bundle can be run, and open engines for them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.gpu.libraries import missing
from benchmarks.gpu.results import RunConfiguration
from models.contract import Bundle, Precision, usable_cores
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import ON_GPU, EngineOptions
from service.engine.session import all_providers

_NEEDS = {"cuda": {"the driver", "CUDA"}, "tensorrt": {"the driver", "CUDA", "TensorRT"}}


def usable() -> list[str]:
    """Return the providers that onnxruntime was built with and whose libraries are installed."""
    offered = all_providers()
    absent = set(missing().values()) if ON_GPU & set(offered) else set()
    return [name for name in offered if not _NEEDS.get(name, set()) & absent]


def chosen(providers: str) -> list[str]:
    """Parse names separated by commas; empty: all usable. Raises ValueError for one that is not offered."""
    offered = all_providers()
    names = [name.strip() for name in providers.split(",") if name.strip()] or usable()
    if unknown := [name for name in names if name not in offered]:
        raise ValueError(f"onnxruntime offers {', '.join(offered)}, not {', '.join(unknown)}")
    return names


def label(bundle: Bundle) -> str:
    """Return name and version of a bundle."""
    return f"{bundle.manifest.name}/{bundle.manifest.version}"


def configurations(bundle: Bundle, providers: Iterable[str]) -> Iterator[RunConfiguration]:
    """Yield every variant on every provider; on a GPU with and without TF32, bound buffers and CUDA graphs."""
    for provider in providers:
        for variant in bundle.manifest.variants:
            precision = variant.precision
            for tf32 in (False, True) if provider == "cuda" and precision is Precision.FP32 else (False,):
                for bound, graph in _buffers(provider):
                    yield RunConfiguration(
                        bundle=label(bundle),
                        provider=provider,
                        precision=precision.value,
                        tf32=tf32,
                        bound=bound,
                        cuda_graph=graph,
                    )


def _buffers(provider: str) -> tuple[tuple[bool, bool], ...]:
    """Return pairs (bound buffers, CUDA graph).

    TensorRT builds an engine for a range of batch sizes, which the service states only with bound buffers.
    """
    if provider == "cuda":
        return (False, False), (True, False), (True, True)
    return ((provider in ON_GPU, False),)


def options(configuration: RunConfiguration, largest: int, engines: Path | None = None) -> EngineOptions:
    """Return the service's options for batches of up to `largest`; engines: cache folder of TensorRT."""
    return EngineOptions(
        (configuration.provider,),
        strict=True,
        threads_per_batch=1 if configuration.provider in ON_GPU else usable_cores(),
        concurrency=1,
        cores=usable_cores(),
        precision=Precision(configuration.precision),
        tf32=configuration.tf32,
        largest=largest if configuration.bound else 0,
        cuda_graph=configuration.cuda_graph,
        compiled=engines,
    )


def open_engine(
    bundle: Bundle, configuration: RunConfiguration, largest: int, engines: Path | None = None
) -> OnnxEngine:
    """Open the engine with the service's options, before its golden images run. Raises BundleError, EngineRejected."""
    bundle.check_files()
    model = bundle.model_path(Precision(configuration.precision))
    return OnnxEngine(model, bundle.manifest, options(configuration, largest, engines))
