"""Code that all peers share: decoding and preprocessing, the network in one of two libraries, and the answer.

The pixels are those of the service without its reduced JPEG decoding. This module needs numpy, Pillow and onnxruntime,
for peers on OpenVINO also openvino, and no other module of the project, so that it runs in each peer's environment.
"""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

INPUT, PROBABILITIES = "image", "probabilities"
MODEL_INPUT, MODEL, THREADS, BATCH, WORKERS = "PEER_TARGET", "PEER_MODEL", "PEER_THREADS", "PEER_BATCH", "PEER_WORKERS"
HINT = "PEER_OPENVINO_PRECISION"
"""Names of the environment variables that configure a peer.

HINT: `f32` or `bf16` for OpenVINO; without it the peer runs its network with onnxruntime.
"""
Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Runs a batch: uint8 [N, H, W, C] -> float32 [N, K]."""


class ModelInput(NamedTuple):
    """Size and mode of the network's input, and how an image is cropped and resized to it."""

    height: int
    width: int
    mode: str
    squash: bool
    crop_fraction: float
    interpolation: str

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return the centred part of an image that is kept: left, upper, right, lower."""
        if self.squash:
            return 0, 0, width, height
        unit = min(width / self.width, height / self.height) * self.crop_fraction
        left, upper = (width - self.width * unit) / 2, (height - self.height * unit) / 2
        return max(left, 0), max(upper, 0), min(width - left, width), min(height - upper, height)


def pixels(body: bytes, model_input: ModelInput) -> NDArray[np.uint8]:
    """Decode in full, crop and resize. Return uint8 [H, W, C]."""
    with Image.open(io.BytesIO(body)) as opened:
        image = opened.convert(model_input.mode)
    filter_ = Image.Resampling[model_input.interpolation.upper()]
    small = image.resize((model_input.width, model_input.height), filter_, box=model_input.box(*image.size))
    return np.asarray(small, np.uint8).reshape(model_input.height, model_input.width, -1)


def session(model: Path, threads: int) -> ort.InferenceSession:
    """Return a CPU session; threads: 0 for onnxruntime's default, one per core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1 if threads else 0
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnxruntime_run(model: Path, threads: int) -> Run:
    """Return a function that runs batches of any size with onnxruntime; threads: as in `session`."""
    own = session(model, threads)

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = own.run([PROBABILITIES], {INPUT: images})[0]
        return rows

    return run


def openvino_run(model: Path, threads: int, hint: str, shape: tuple[int, int, int, int]) -> Run:
    """Return a function that runs batches of one shape [N, H, W, C] with OpenVINO, in one stream.

    hint: `f32` or `bf16`. Without it, OpenVINO would run a float32 graph in bfloat16 on processors with AMX. Threads
    are not pinned: every process would take the same first cores.
    """
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]  # sends telemetry when it is imported
    import openvino  # noqa: PLC0415  only the environments of some peers have it

    graph = openvino.Core().read_model(model)
    graph.reshape({graph.inputs[0]: [*shape]})
    settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    request = openvino.compile_model(graph, "CPU", settings | {"ENABLE_CPU_PINNING": False}).create_infer_request()

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = request.infer({INPUT: images}, share_inputs=True)[PROBABILITIES]
        return rows

    return run


def answer(row: NDArray[np.float32]) -> dict[str, Any]:
    """Return the five most probable classes as JSON; row: float32 [K]."""
    best = np.argsort(row)[::-1][:5]
    return {"predictions": [{"class_id": int(index), "probability": float(row[index])} for index in best]}


class Classifier:
    """Preprocessing and the network, configured by the environment variables.

    run: as in Run; with OpenVINO for batches of one image.
    """

    def __init__(self) -> None:
        self.model_input = ModelInput(*json.loads(os.environ[MODEL_INPUT]))
        model, threads, hint = Path(os.environ[MODEL]), int(os.environ[THREADS]), os.environ.get(HINT)
        self.run: Run = (
            openvino_run(model, threads, hint, (1, *self.pixels_shape)) if hint else onnxruntime_run(model, threads)
        )
        self.run(np.zeros((1, *self.pixels_shape), np.uint8))

    @property
    def pixels_shape(self) -> tuple[int, int, int]:
        """Return height, width and channels of the input."""
        return self.model_input.height, self.model_input.width, len(self.model_input.mode)

    def pixels(self, body: bytes) -> NDArray[np.uint8]:
        """Decode and preprocess one image."""
        return pixels(body, self.model_input)
