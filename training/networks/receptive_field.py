"""Receptive fields: the window of the image that one unit sees, tracked through every operation of a forward pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

from torch import Size, Tensor
from torch.nn.modules.utils import _pair
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

Pair = tuple[int, int]
_MIXING = {"matmul", "bmm", "einsum", "scaled_dot_product_attention", "roll", "flip", "cumsum", "interpolate"}
"""Operations that may keep the shape and still combine different positions."""
_NCHW = (-2, -1)


@dataclass(frozen=True)
class Span:
    """A window along one axis, in pixels: its start for unit 0, its size, and the step to the window of unit 1."""

    start: int
    size: int
    step: int

    def widened(self, kernel: int, stride: int, padding: int, dilation: int) -> "Span":
        """Return the span after a convolution or a pooling over `kernel` units."""
        start = self.start - padding * self.step
        return Span(start, self.size + (kernel - 1) * dilation * self.step, self.step * stride)

    def __or__(self, other: "Span") -> "Span":
        """Return the smallest span that holds both, where two branches are combined."""
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return Span(start, end - start, self.step)


@dataclass(frozen=True)
class Window:
    """Receptive field. dims: the two dimensions of the tensor for rows and columns, counted from the last, -1."""

    dims: Pair
    rows: Span
    columns: Span

    def widened(self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1)) -> "Window":
        """Return the window after a convolution or a pooling; each pair is (down, across)."""
        rows, columns = zip(kernel, stride, padding, dilation, strict=True)
        return replace(self, rows=self.rows.widened(*rows), columns=self.columns.widened(*columns))

    def permuted(self, order: Sequence[int]) -> "Window":
        """Return the window after a permutation: dimension i of the result is dimension `order[i]` of this one."""
        ndim = len(order)
        places = [place % ndim for place in order]
        rows, columns = (places.index(dim % ndim) - ndim for dim in self.dims)
        return replace(self, dims=(rows, columns))

    def __or__(self, other: "Window") -> "Window":
        """Return the smallest window that holds both."""
        return replace(self, rows=self.rows | other.rows, columns=self.columns | other.columns)


class WindowTracker(TorchFunctionMode):
    """Context manager that knows the window of every tensor computed from `image`, float [N, C, H, W].

    None means that there is no window: after a dense layer, a mean over all positions or a gate computed from one, and
    among tokens.
    """

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        pixel = Span(start=0, size=1, step=1)
        self._known: dict[int, tuple[Tensor, Window | None]] = {id(image): (image, Window(_NCHW, pixel, pixel))}

    def window(self, tensor: Tensor) -> Window | None:
        """Return the window of a tensor, or None. Known tensors are kept alive, so that no other takes the same id."""
        return self._known.get(id(tensor), (tensor, None))[1]

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run `func` unchanged, then record the windows of its results."""
        shapes = {id(leaf): leaf.shape for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        inputs = [(self._known[key][1], shape) for key, shape in shapes.items() if key in self._known]
        for output in tree_leaves(result) if inputs else ():
            if isinstance(output, Tensor):
                window = _behind(func.__name__, inputs, output.shape, args, kwargs or {})
                self._known[id(output)] = output, window
        return result


def _behind(
    name: str,
    inputs: Sequence[tuple[Window | None, Size]],
    shape: Size,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Window | None:
    windows = [window for window, _ in inputs if window is not None]
    if len(windows) < len(inputs) or name in _MIXING:
        return None
    if name in _RULES:
        return _RULES[name](windows[0], *args, **kwargs)
    shapes = (before for _, before in inputs)
    kept = all(_places(w, before) == _places(w, shape) for w, before in zip(windows, shapes, strict=True))
    return reduce(or_, windows) if kept else None


def _places(window: Window, shape: Size) -> tuple[int, ...]:
    """Return the number of rows and columns; nothing when the tensor has too few dimensions."""
    return tuple(shape[dim] for dim in window.dims if -dim <= len(shape))


def _convolved(
    window: Window,
    _: Tensor,
    weight: Tensor,
    bias: object = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    *groups: int,
) -> Window | None:
    if window.dims != _NCHW or isinstance(padding, str):
        return None
    height, width = weight.shape[2:]
    return window.widened((height, width), _pair(stride), _pair(padding), _pair(dilation))


def _max_pooled(
    window: Window, _: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, **rest: object
) -> Window:
    return window.widened(_pair(kernel_size), _pair(stride or kernel_size), _pair(padding), _pair(dilation))


def _mean_pooled(
    window: Window, _: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: object, **more: object
) -> Window:
    return window.widened(_pair(kernel_size), _pair(stride or kernel_size), _pair(padding))


def _padded(window: Window, _: Tensor, pad: Sequence[int], *rest: object, **more: object) -> Window:
    """Return the window after padding. pad: before and after, from the last dimension on."""
    before = [*pad[::2], 0, 0, 0, 0]
    rows, columns = (before[-dim - 1] for dim in window.dims)
    return window.widened((1, 1), (1, 1), (rows, columns))


def _permuted(window: Window, x: Tensor, *order: Any) -> Window:
    return window.permuted(order[0] if isinstance(order[0], Sequence) else order)


def _transposed(window: Window, x: Tensor, first: int, second: int) -> Window:
    order = list(range(x.ndim))
    order[first], order[second] = order[second], order[first]
    return window.permuted(order)


def _dense(window: Window, *args: object, **kwargs: object) -> Window | None:
    """Return no window when a linear layer reads the last dimension."""
    return None if -1 in window.dims else window


def _normalised(window: Window, _: Tensor, shape: Sequence[int], *rest: object, **more: object) -> Window | None:
    """Return no window when a layer norm reads rows or columns."""
    return None if max(window.dims) >= -len(shape) else window


def _softmaxed(window: Window, x: Tensor, dim: int, *rest: object, **more: object) -> Window | None:
    return None if dim in window.dims or dim - x.ndim in window.dims else window


_RULES: dict[str, Callable[..., Window | None]] = {
    "conv2d": _convolved,
    "max_pool2d": _max_pooled,
    "avg_pool2d": _mean_pooled,
    "pad": _padded,
    "permute": _permuted,
    "transpose": _transposed,
    "linear": _dense,
    "layer_norm": _normalised,
    "softmax": _softmaxed,
}
"""Rules by the names of PyTorch's functions. Any other function that keeps the positions keeps the windows."""
