"""The compiled models of one graph in OpenVINO: one for each batch size, and one for class maps and images of any size.

Each is compiled when it is first needed, and stored on disk for the next process.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Manifest, Pixels
from models.contract import openvino_library as library
from service.engine.compiled_files import CompiledFiles
from service.engine.graph_check import contract_violation
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected

logger = logging.getLogger(__name__)

ANY_SIZE = 0
"""Stands for the model that takes any number of images, of any size where the bundle is dense; the only one with a
class map."""
_ELEMENT_TYPES = {"u8": "tensor(uint8)", "f32": "tensor(float)"}
"""OpenVINO's names of element types -> those of ONNX Runtime, in which `contract_violation` compares."""


class Cancelled(Exception):
    """The run was cancelled before its end."""


class Cancellation:
    """Lets another thread end a run, before its inference starts or during it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Any = None
        self.cancelled = False

    def cancel(self) -> None:
        """End the run after the current node of the graph."""
        with self._lock:
            self.cancelled = True
            if self._running is not None:
                self._running.cancel()

    def infer(self, request: Any) -> None:
        """Run an inference request to its end. Raises Cancelled, and what OpenVINO raises.

        OpenVINO's synchronous `infer` cannot be cancelled, and a `cancel` before the start has no effect.
        """
        with self._lock:
            if self.cancelled:
                raise Cancelled
            request.start_async()
            self._running = request
        try:
            request.wait()
        except Exception as error:
            if self.cancelled:
                raise Cancelled from error
            raise
        finally:
            with self._lock:
                self._running = None


class Request:
    """An inference request of OpenVINO with its own input, for one caller at a time."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._own: Any = None
        self._shared: Pixels | None = None

    def run(self, names: Sequence[str], images: Pixels, cancellation: Cancellation) -> list[NDArray[Any]]:
        """Run uint8 [N, H, W, C] and return N rows of each output. The result is a copy.

        The images are read where they are, unless they are read-only; then they are copied into the request's own
        input.
        """
        if images.flags.writeable and images.flags.c_contiguous:
            self._shared = images  # OpenVINO keeps the address only
            self._request.set_input_tensor(library.load().Tensor(images, shared_memory=True))
        else:
            self._request.set_input_tensor(self._own_input(images.shape))
            self._own.data[:] = images
        cancellation.infer(self._request)
        return [self._request.get_tensor(name).data.copy() for name in names]

    def _own_input(self, shape: tuple[int, ...]) -> Any:
        if self._own is None or tuple(self._own.shape) != shape:
            openvino = library.load()
            self._own = openvino.Tensor(openvino.Type.u8, openvino.Shape(shape))
        return self._own


class CompiledModel:
    """A compiled model, and as many requests as there were callers at a time."""

    def __init__(self, compiled: Any, size: int) -> None:
        """size: images that the model takes, ANY_SIZE for any."""
        self.compiled, self.size = compiled, size
        self._idle: list[Request] = []
        self._running, self._releases_when_idle = 0, False
        self._lock = threading.Lock()

    def run(self, names: Sequence[str], images: Pixels, cancellation: Cancellation) -> list[NDArray[Any]]:
        """Run uint8 [N, H, W, C], as many images as the model takes, and return N rows of each output."""
        with self._lock:
            self._running += 1
            request = self._idle.pop() if self._idle else Request(self.compiled)
        try:
            return request.run(names, images, cancellation)
        finally:
            with self._lock:
                self._idle.append(request)
                self._running -= 1
                if self._releases_when_idle and not self._running:
                    self._release()

    def release_memory(self) -> None:
        """Release the memory between the layers, which the next run takes again: now, or when no run is in progress.

        OpenVINO 2026.4.1 raises an error while a run is in progress; 2026.4.0 waited for it.
        """
        with self._lock:
            if self._running:
                self._releases_when_idle = True
            else:
                self._release()

    def _release(self) -> None:
        self._releases_when_idle = False
        self._idle.clear()
        self.compiled.release_memory()


class CompiledModels:
    """Compiles the models of one graph when they are first needed. Safe to use from several threads."""

    def __init__(self, model: Path, manifest: Manifest, options: EngineOptions, outputs: Sequence[str]) -> None:
        """Compile nothing yet. outputs: names of the outputs besides the class map."""
        self._path, self._manifest, self._options = model, manifest, options
        self._outputs = [*outputs]
        self._files = CompiledFiles(options.compiled)
        self._open: dict[int, CompiledModel] = {}
        self._lock = threading.Lock()

    def get(self, size: int) -> CompiledModel:
        """Return the model for batches of `size` images, or ANY_SIZE. Raises EngineRejected, and what OpenVINO raises.

        Calls wait for each other while one of them compiles.
        """
        if (found := self._open.get(size)) is None:
            with self._lock:
                if (found := self._open.get(size)) is None:
                    found = self._open[size] = CompiledModel(self._imported(size) or self._compiled(size), size)
        return found

    def release_memory(self, largest: int) -> None:
        """Release what no batch of at most `largest` images needs at this moment. No run may be in progress.

        That is the memory between the layers, the model of larger batches, and the whole model of class maps, which
        many services never need.
        """
        self._open = {size: model for size, model in self._open.items() if size != ANY_SIZE and size <= largest}
        for model in self._open.values():
            model.release_memory()

    def close(self) -> None:
        """Free all models. No run may be in progress."""
        self._open.clear()

    def _imported(self, size: int) -> Any:
        """Return the model that another process has compiled and stored; None if there is none that can be used."""
        if (stored := self._files.read(self._name(size))) is None:
            return None
        try:
            compiled = library.core().import_model(stored, "CPU", self._settings())
        except Exception as error:  # OpenVINO's exceptions have no common base class
            logger.info("%s is compiled again: %s", self._path, error)
            return None
        self._check_precision(compiled)
        return compiled

    def _compiled(self, size: int) -> Any:
        compiled = library.core().compile_model(self._read(size), "CPU", self._settings())
        self._check_precision(compiled)
        if self._files.active:
            self._files.write(self._name(size), compiled.export_model().getvalue())
        return compiled

    def _name(self, size: int) -> str:
        return f"{self._options.precision}-{size or 'any'}{'-logits' * (LOGITS in self._outputs)}"

    def _settings(self) -> dict[str, object]:
        """Return the settings of a model: one stream for each batch at a time."""
        options = self._options
        return library.compile_settings(options.precision) | {
            "NUM_STREAMS": options.batches_on_cpu,
            "INFERENCE_NUM_THREADS": options.batches_on_cpu * options.threads_per_batch,
        }

    def _check_precision(self, compiled: Any) -> None:
        """Raise EngineRejected when the model computes in other numbers than those that were asked for."""
        if other := library.other_numbers(compiled, self._options.precision):
            raise EngineRejected(f"OpenVINO runs {self._path.name} in {other}")

    def _read(self, size: int) -> Any:
        """Return the graph with the input's shape set, and without outputs that this model is not for."""
        graph = library.core().read_model(self._path)
        if reason := contract_violation(*_tensors(graph), self._manifest):
            raise EngineRejected(reason)
        outputs = self._outputs if size else [PROBABILITIES, LOGITS, CLASS_MAP]
        for result in graph.get_results():
            if result.input_value(0).get_names().isdisjoint(outputs):
                graph.remove_result(result)
        height, width, channels = self._manifest.input.shape
        if size:
            shape = [size, height, width, channels]
        else:
            free = self._manifest.dense is not None
            shape = [1 if self._manifest.max_batch else -1, *((-1, -1) if free else (height, width)), channels]
        graph.reshape({graph.inputs[0]: shape})
        return graph


def _tensors(graph: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return inputs and outputs as `contract_violation` wants them."""
    inputs, outputs = (
        {name: (_element_type(tensor), _shape(tensor)[1:]) for tensor in tensors for name in _own_names(tensor)}
        for tensors in (graph.inputs, graph.outputs)
    )
    return inputs, outputs


def _own_names(tensor: Any) -> list[str]:
    """Return the names of the contract that a tensor has, or any one of its names: OpenVINO gives some several."""
    known = [name for name in (INPUT, PROBABILITIES, LOGITS, CLASS_MAP) if name in tensor.get_names()]
    return known or sorted(tensor.get_names())[:1]


def _element_type(tensor: Any) -> str:
    name: str = tensor.get_element_type().get_type_name()
    return _ELEMENT_TYPES.get(name, name)


def _shape(tensor: Any) -> list[int | str | None]:
    return [None if each.is_dynamic else each.get_length() for each in tensor.get_partial_shape()]
