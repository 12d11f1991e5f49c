"""The window of the image that one unit of a layer sees: its receptive field."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

Pair = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """Along one axis, in pixels: start of the window of unit 0, its size, and the step to the window of unit 1."""

    start: int
    size: int
    step: int

    def widened(self, kernel: int, stride: int, padding: int, dilation: int) -> "Span":
        """Behind a convolution or a pooling over `kernel` units."""
        start = self.start - padding * self.step
        return Span(start, self.size + (kernel - 1) * dilation * self.step, self.step * stride)

    def __or__(self, other: "Span") -> "Span":
        """The hull, where two branches meet."""
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return Span(start, end - start, self.step)


@dataclass(frozen=True)
class Window:
    """`dims`: the two dimensions of the tensor that run over rows and over columns, counted from the last, -1."""

    dims: Pair
    rows: Span
    columns: Span

    def widened(self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1)) -> "Window":
        """Down and across, each."""
        rows, columns = zip(kernel, stride, padding, dilation, strict=True)
        return replace(self, rows=self.rows.widened(*rows), columns=self.columns.widened(*columns))

    def permuted(self, order: Sequence[int]) -> "Window":
        """Dimension i of the result is dimension `order[i]` of this."""
        ndim = len(order)
        places = [place % ndim for place in order]
        rows, columns = (places.index(dim % ndim) - ndim for dim in self.dims)
        return replace(self, dims=(rows, columns))

    def __or__(self, other: "Window") -> "Window":
        return replace(self, rows=self.rows | other.rows, columns=self.columns | other.columns)
