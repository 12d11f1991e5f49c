"""ONNX files of others: read with all their weights, and refused where no bundle can be made of them."""

import ast
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

from training.errors import OnnxImportError
from training.evaluation.onnx_session import open_session
from training.importing.labels_file import is_text

OLDEST_OPSET = 7
"""Since this version, elementwise operators broadcast as numpy does, which the nodes of a bundle rely on."""
_KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
"""Domains of the operators that onnxruntime has built in. Libraries with others are never loaded."""


@dataclass(frozen=True)
class OnnxFile:
    """A network in a file. model: with the weights of other files; metadata: texts that the exporter wrote."""

    path: Path
    model: onnx.ModelProto
    opset: int
    metadata: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes in the metadata, as ultralytics writes them; empty where there are none."""
        value = _literal(self.metadata.get("names", ""))
        if isinstance(value, dict) and set(value) == set(range(len(value))):
            value = [value[index] for index in range(len(value))]
        if isinstance(value, list | tuple) and all(isinstance(name, str) and is_text(name) for name in value):
            return tuple(value)
        return ()

    @property
    def size(self) -> int | None:
        """The side of the square input in the metadata, in pixels, as ultralytics writes it."""
        value = _literal(self.metadata.get("imgsz", ""))
        sides = value if isinstance(value, list | tuple) else [value]
        whole = [side for side in sides if type(side) is int and side > 0]
        return whole[0] if whole and len(whole) == len(sides) and min(whole) == max(whole) else None

    @property
    def from_ultralytics(self) -> bool:
        """Whether the metadata are those of ultralytics."""
        return {"names", "imgsz", "task"} <= self.metadata.keys()


def read_onnx(path: Path) -> OnnxFile:
    """Read a file and the files that its weights lie in, all inside its folder.

    Raises OnnxImportError for a file that is none, an old opset, unknown operators, and another task than
    classification in the metadata.
    """
    require_file(path)
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf, onnx and the file system have no common base
        raise OnnxImportError(
            f"{path} cannot be read as ONNX, or a file with its weights is not beside it: {one_line(error)}"
        ) from error
    if not model.graph.node:
        raise OnnxImportError(f"{path} is no ONNX file: it holds no graph")
    opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        raise OnnxImportError(f"{path} has opset {opset}: export it with opset {OLDEST_OPSET} or later")
    own = {function.domain for function in model.functions}
    if unknown := sorted({node.domain for node in model.graph.node} - _KNOWN_DOMAINS - own):
        raise OnnxImportError(
            f"{path} has operators of the domain {unknown[0]!r}, which need a library of their own and none is loaded: "
            "export it with standard operators only"
        )
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if metadata.get("task", "classify") != "classify" and "imgsz" in metadata:
        raise OnnxImportError(f"{path} is no image classifier: its metadata say task {metadata['task']!r}")
    return OnnxFile(path, model, opset, metadata)


def require_file(path: Path) -> None:
    """Raise OnnxImportError where the path is not that of a file."""
    if not path.is_file():
        raise OnnxImportError(f"{path} is no file: give the path of an ONNX file")


def load_session(path: Path, name: str) -> onnxruntime.InferenceSession:
    """Return a session of the graph in a file. name: what the error calls it. Raises OnnxImportError."""
    try:
        return open_session(path, quiet=True)
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise OnnxImportError(f"onnxruntime cannot load {name}: {one_line(error)}") from error


def _literal(text: str) -> object:
    """Return the Python literal in a text, None for anything else; nothing is run."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def one_line(error: Exception) -> str:
    """Return the text of an exception without line ends, at most 300 characters."""
    return " ".join(str(error).split())[:300] or type(error).__name__
