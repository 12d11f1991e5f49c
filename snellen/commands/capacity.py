"""`snellen capacity`: how many frontends, engines and machines a rate of images needs."""

from importlib.util import find_spec
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from snellen.extras import missing_message
from snellen.options import exit_with_error, service_default
from snellen.output import path_text, printable
from snellen.repository import bundle_folder, default_bundle

if TYPE_CHECKING:
    from models.contract import Bundle
    from snellen.capacity.costs import Costs
    from snellen.capacity.measurement import MeasuredCosts
    from snellen.capacity.simulation import Outcome

_LOAD, _MACHINE, _QUOTED = "Load", "Machines", "Figures that are given instead of measured"


def capacity(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="bundle: its folder, or its name as in imagenet or imagenet/1; unset: as the service"),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="IMAGES", rich_help_panel=_LOAD, min=0.001, help="images per second, in all")
    ] = None,
    p99_ms: Annotated[
        float,
        typer.Option(
            metavar="MILLISECONDS", rich_help_panel=_LOAD, min=0.1, help="time within which 99 % are answered"
        ),
    ] = 100.0,
    image: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", rich_help_panel=_LOAD, help="image as clients send them; again for several"),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option(rich_help_panel=_MACHINE, min=1, help="cores of a machine; unset: as this one"),
    ] = None,
    engines: Annotated[
        int,
        typer.Option(rich_help_panel=_MACHINE, min=0, help="engine processes of a machine, one for each GPU; 0: none"),
    ] = 0,
    batch_ms: Annotated[
        str | None,
        typer.Option(metavar="1=2.1,32=9", rich_help_panel=_QUOTED, help="milliseconds of a batch, by its images"),
    ] = None,
    decode_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MILLISECONDS", rich_help_panel=_QUOTED, min=0, help="milliseconds of a core to decode an image"
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="int8", rich_help_panel=_MACHINE, help="variant, as for snellen serve")
    ] = None,
    providers: Annotated[
        str | None, typer.Option(metavar="cuda,cpu", rich_help_panel=_MACHINE, help="providers, as for snellen serve")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.05, help="time to measure decoding, and each batch size; unset: 1"),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw p99 against load to this file, .svg or .png")
    ] = None,
) -> None:
    """Say how many processes and machines answer a rate of images in time.

    What an image costs is measured on this machine, then the service's batching is simulated. With --engines, and on
    a machine with a GPU, give the figures of a GPU with --batch-ms.
    """
    from models.contract import BundleError, read_bundle, usable_cores
    from snellen.capacity.sizing import UnreachableError, curve

    _refuse_infinite({"--rate": rate, "--p99-ms": p99_ms, "--decode-ms": decode_ms, "--seconds": seconds})
    _refuse_without_effect(
        {"--precision": precision, "--providers": providers, "--image": image, "--seconds": seconds},
        batches_given=batch_ms is not None,
        decoding_given=decode_ms is not None,
    )
    if plot is not None:
        _refuse_plot(plot)
    quoted = _batch_times(batch_ms) if batch_ms is not None else None
    machine_cores = cores or usable_cores()
    if engines and machine_cores < 2 * engines:
        exit_with_error(
            f"--engines {engines}: of {machine_cores} cores, none is left to decode for each of them: give "
            f"--cores {2 * engines} or more",
            status=2,
        )
    if engines and quoted is None:
        exit_with_error("--engines: give the times of a batch on such a device, as in --batch-ms 1=2.1,32=9", status=2)
    folder = bundle_folder(bundle) if bundle is not None else default_bundle()
    try:
        read = read_bundle(folder)
    except BundleError as error:
        exit_with_error(f"{path_text(folder)}: {error}", status=2)
    images = _images(read, image or [])
    measured = None
    if quoted is None or decode_ms is None:
        measured = _measured(folder, images, seconds or 1.0, precision, providers, quoted=quoted is not None)
    costs = _costs(measured, quoted, decode_ms, engines, machine_cores)
    processes = engines or (machine_cores if quoted else _frontends(measured, machine_cores, usable_cores()))
    console = Console()
    _print_costs(console, read, costs, measured, quoted=quoted is not None)
    unreachable = None
    try:
        _print_sizing(console, costs, rate, p99_ms / 1000, processes, machine_cores)
    except UnreachableError as error:
        unreachable = str(error)
    outcomes = list(curve(costs))
    _print_curve(console, outcomes)
    if plot is not None:
        kind = "engines" if costs.decoders else "frontends"
        _draw(plot, read, outcomes, kind, processes, p99_ms / 1000)
    if unreachable is not None:
        exit_with_error(unreachable, status=1)


def _refuse_infinite(numbers: dict[str, float | None]) -> None:
    for option, number in numbers.items():
        if number is not None and not isfinite(number):
            exit_with_error(f"{option} takes a finite number, not '{number}'", status=2)


def _refuse_without_effect(options: dict[str, object], *, batches_given: bool, decoding_given: bool) -> None:
    """End the command with status 2 for options of what is not measured, since their figures are given."""
    without_effect = {
        "--batch-ms": ("--precision", "--providers") if batches_given else (),
        "--decode-ms": ("--image",) if decoding_given else (),
        "--batch-ms and --decode-ms": ("--seconds",) if batches_given and decoding_given else (),
    }
    for given, names in without_effect.items():
        if name := next((each for each in names if options[each]), None):
            exit_with_error(
                f"{name} has no effect with {given}, which stands for a measurement: leave one out", status=2
            )


def _refuse_plot(file: Path) -> None:
    """End the command, before anything is measured, where the plot cannot be drawn to this file."""
    if missing := [name for name in ("matplotlib",) if find_spec(name) is None]:
        exit_with_error(f"--plot: {missing_message(missing, 'train')}", status=2)
    if file.suffix not in {".svg", ".png"}:
        exit_with_error(f"--plot {path_text(file)}: name a file that ends in .svg or .png", status=2)
    if not file.parent.is_dir():
        exit_with_error(f"--plot {path_text(file)}: there is no folder {path_text(file.parent)}", status=2)


def _batch_times(text: str) -> dict[int, float]:
    """Return images -> seconds of `1=2.1,32=9`. Ends the command with status 2 at anything else."""
    times: dict[int, float] = {}
    for part in text.split(","):
        size, _, milliseconds = part.partition("=")
        try:
            images, seconds = int(size), float(milliseconds) / 1000
        except ValueError:
            exit_with_error(f"--batch-ms: {printable(part)!r} is not images=milliseconds, as in 1=2.1,32=9", status=2)
        if images in times:
            exit_with_error(f"--batch-ms: a batch of {images} has two times: give one", status=2)
        times[images] = seconds
    if min(times) < 1 or not all(0 < seconds < inf for seconds in times.values()):
        exit_with_error("--batch-ms: images and milliseconds are numbers above 0", status=2)
    return dict(sorted(times.items()))


def _images(bundle: "Bundle", files: list[Path]) -> list[bytes]:
    """Return the contents of the files, or of the bundle's golden images where there are none.

    Ends the command with status 2 where a file cannot be decoded.
    """
    from models.contract import FORMATS
    from service.decoding.decode import DecodeLimits, decode
    from service.errors import ServiceError

    limits = DecodeLimits(FORMATS, service_default("max_pixels"))
    bodies = []
    for file in files:
        try:
            bodies.append(file.read_bytes())
            decode(bodies[-1], bundle.manifest.input, bundle.manifest.preprocessing, limits)
        except OSError as error:
            exit_with_error(f"--image: {path_text(file)}: {error.strerror}", status=2)
        except ServiceError as error:
            exit_with_error(f"--image: {path_text(file)}: {error.detail}", status=2)
    return bodies or [body for _, body, _ in bundle.golden()]


def _measured(
    folder: Path, images: list[bytes], seconds: float, precision: str | None, providers: str | None, *, quoted: bool
) -> "MeasuredCosts":
    """Return the costs on this machine. quoted: whether the times of batches are given, and only decoding counts.

    Ends the command where it would run networks in engine processes, for which the frontends decode.
    """
    from pydantic import ValidationError

    from service.engine.session import EngineRejected
    from service.errors import ServiceError
    from service.server.workers.plan import plan_processes
    from service.setting_texts import wrong_value
    from service.settings import Settings
    from snellen.capacity.measurement import measure

    given = {name: value for name, value in (("precision", precision), ("providers", providers)) if value is not None}
    try:
        settings = Settings(models=folder.parent.parent, **given)  # type: ignore[arg-type]
    except ValidationError as error:
        exit_with_error(wrong_value(error.errors()[0]), status=2)
    if not quoted and (count := plan_processes(settings).engine_count):
        exit_with_error(
            f"this machine runs networks in engine processes: give --engines {count}, and the times of a batch on such "
            "a device, as in --batch-ms 1=2.1,32=9",
            status=2,
        )
    try:
        with Console(stderr=True).status("measuring on all cores"):
            return measure(folder, settings, images, seconds)
    except (EngineRejected, ServiceError) as error:
        exit_with_error(f"{path_text(folder)}: {error}", status=1)


def _costs(
    measured: "MeasuredCosts | None",
    quoted: dict[int, float] | None,
    decode_ms: float | None,
    engines: int,
    cores: int,
) -> "Costs":
    from snellen.capacity.costs import Costs

    assert measured or (quoted is not None and decode_ms is not None)
    decode_s = decode_ms / 1000 if decode_ms is not None else (measured.costs.decode_s if measured else 0.0)
    decoders = (cores - engines) // engines if engines else 0
    if quoted is not None:
        return Costs(decode_s, quoted, max(quoted), decoders=decoders)
    assert measured
    found = measured.costs
    return Costs(decode_s, found.batch_s, found.batch_limit, found.slots)


def _frontends(measured: "MeasuredCosts | None", cores: int, here: int) -> int:
    """Return the processes of a machine: those of this one, in proportion to its cores."""
    assert measured
    return max(1, measured.processes * cores // here)


def _print_costs(
    console: Console, bundle: "Bundle", costs: "Costs", measured: "MeasuredCosts | None", *, quoted: bool
) -> None:
    name = f"{bundle.manifest.name}/{bundle.manifest.version}"
    how = "with the given batch times, not measured" if quoted or not measured else measured.configuration
    table = Table("an image costs", "ms", title=f"{name}, {how}")
    table.add_row("HTTP, of a core", f"{costs.http_s * 1000:.2f}")
    table.add_row("decoding, of a core", f"{costs.decode_s * 1000:.2f}")
    for size, seconds in costs.batch_s.items():
        table.add_row(f"batch of {size}", f"{seconds * 1000:.2f}")
    console.print(table)


def _print_sizing(
    console: Console, costs: "Costs", rate: float | None, p99_s: float, processes: int, cores: int
) -> None:
    from snellen.capacity.sizing import largest_rate, size

    kind = "engine process" if costs.decoders else "frontend"
    best = largest_rate(costs, p99_s)
    console.print(
        f"one {kind}: at most {costs.images_per_s:,.0f} images/s; {best.rate:,.0f} of them with 99 % within"
        f" {p99_s * 1000:g} ms, of which an image waits {best.wait_s * 1000:.1f} ms on average for its batch"
    )
    console.print(f"one machine of {cores} cores: {processes * best.rate:,.0f} images/s within that time")
    if rate is None:
        return
    wanted = size(costs, rate, best, processes)
    engines = f" and {wanted.processes:,} engine processes" if costs.decoders else ""
    console.print(
        f"{rate:,.10g} images/s: {wanted.frontends:,} frontends{engines}, {wanted.machines:,} machines of {cores}"
        f" cores; p50 {wanted.outcome.p50_s * 1000:.1f} ms, p99 {wanted.outcome.p99_s * 1000:.1f} ms",
        style="bold",
    )


def _print_curve(console: Console, outcomes: "list[Outcome]") -> None:
    from snellen.capacity.sizing import SHARES

    table = Table("load", "images/s", "p50 ms", "p99 ms", "waiting ms", "images in a batch", title="one process")
    for share, each in zip(SHARES, outcomes, strict=True):
        milliseconds = (f"{value * 1000:.1f}" for value in (each.p50_s, each.p99_s, each.wait_s))
        table.add_row(f"{share:.0%}", f"{each.rate:,.1f}", *milliseconds, f"{each.batch_size:.1f}")
    console.print(table)


def _draw(file: Path, bundle: "Bundle", outcomes: "list[Outcome]", kind: str, processes: int, p99_s: float) -> None:
    from snellen.capacity.plot import write_plot

    counts = sorted({1, 2, 4, processes})
    try:
        write_plot(file, f"{bundle.manifest.name}/{bundle.manifest.version}", outcomes, kind, counts, p99_s)
    except OSError as error:
        exit_with_error(f"--plot {path_text(file)}: {error.strerror or error}", status=2)
    typer.echo(f"wrote {path_text(file)}", err=True)
