"""`snellen verify`: does this bundle still compute what its training computed?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from service.engine import EngineOptions


def verify(
    bundles: Annotated[list[Path], typer.Argument(help="bundle folders, as in models/imagenet/1")],
    providers: Annotated[str, typer.Option(help="execution providers, as in cuda,cpu")] = "cpu",
) -> None:
    """Check hashes, shapes and golden images; exit status 1 and the reason when anything is off."""
    from service.engine import EngineOptions

    options = EngineOptions(providers=tuple(providers.split(",")), cores=1)
    failures = [path for path in bundles if not _verified(path, options)]
    raise typer.Exit(1 if failures else 0)


def _verified(path: Path, options: "EngineOptions") -> bool:
    from models.contract import BundleError, read_bundle
    from service.engine import EngineRejected
    from service.verification import check_golden, open_verified

    try:
        bundle = read_bundle(path)
        engine = open_verified(bundle, options)
    except (BundleError, EngineRejected) as error:
        Console(stderr=True).print(f"[red]failed[/red] {path}: {error}", highlight=False, soft_wrap=True)
        return False
    worst = check_golden(bundle, engine)
    manifest = bundle.manifest
    Console().print(
        f"[green]ok[/green] {manifest.name}/{manifest.version}: {len(manifest.files)} hashes, "
        f"{len(manifest.labels)} classes, {len(manifest.golden.images)} golden images within {worst:.1e} "
        f"(allowed {manifest.golden.tolerance:.1e}) on {engine.provider}",
        highlight=False,
        soft_wrap=True,
    )
    return True
