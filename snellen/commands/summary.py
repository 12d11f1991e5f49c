"""`snellen summary`: the layers of a network, before anything is trained."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from snellen.training_extra import errors_as_messages

if TYPE_CHECKING:
    from training.networks.summary import LayerSummary


def summary(
    network: Annotated[str, typer.Argument(help="A name of docs/networks.md, or timm/<model>.")],
    classes: Annotated[int | None, typer.Option(min=2, help="Number of classes; default: that of its paper.")] = None,
    height: Annotated[
        int | None, typer.Option(metavar="PIXELS", min=1, max=4096, help="Pixels; default: those of its paper.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(metavar="PIXELS", min=1, max=4096, help="Pixels; default: the height.")
    ] = None,
    colour: Annotated[Literal["rgb", "grey"] | None, typer.Option(help="Default: that of its paper.")] = None,
) -> None:
    """Print layers, output shapes, parameters, multiply-adds and receptive fields of a network.

    A layer behind a dense layer, a mean over all places or attention sees no window of the image: "-".
    """
    with errors_as_messages():
        from rich.console import Console
        from rich.table import Column, Table

        from models.contract import Colour, Input
        from training.networks.registry import build_network, find_network_info
        from training.networks.summary import summarise

        info = find_network_info(network)
        native = info.native
        kind = {"rgb": Colour.RGB, "grey": Colour.L, None: native.colour}[colour]
        target = Input(colour=kind, height=height or native.height, width=width or height or native.width)
        found = summarise(build_network(network, classes or info.classes, target), target)
        texts = [Column(name, overflow="fold") for name in ("layer", "type", "output")]
        numbers = [Column(name, justify="right", no_wrap=True) for name in ("parameters", "multiply-adds")]
        window = Column("receptive field", justify="right", overflow="fold")
        title = f"{network}, {target.width}x{target.height} {kind.value}"
        table = Table(*texts, *numbers, window, title=title)
        for layer in found.layers:
            table.add_row(*_cells(layer))
        table.add_section()
        table.add_row("total", "", "", f"{found.parameters:,}", f"{found.multiply_adds:,}")
        Console().print(table)


def _cells(layer: "LayerSummary") -> tuple[str, ...]:
    window = layer.window
    seen = "-" if window is None else _by(window.rows.size, window.columns.size)
    numbers = f"{layer.parameters:,}", f"{layer.multiply_adds:,}"
    return layer.name.removeprefix("body."), layer.kind, _by(*layer.shape), *numbers, seen


def _by(*sizes: int) -> str:
    return "x".join(str(size) for size in sizes)
