"""`snellen verify`: checks that a bundle still computes what its training computed."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from snellen.options import Providers, provider_names
from snellen.output import path_text, printable
from snellen.repository import bundle_folder

if TYPE_CHECKING:
    from models.contract import Bundle, Precision
    from service.engine.providers import EngineOptions


def verify(
    bundles: Annotated[
        list[Path], typer.Argument(help="bundles: folders, as in models/imagenet/1, or names, as in imagenet/1")
    ],
    providers: Providers = "cpu",
) -> None:
    """Check hashes, shapes and golden images; exit status 1 and the reason when anything is off."""
    from service.engine.providers import EngineOptions

    options = EngineOptions(provider_names(providers), cores=1)
    failures = [path for path in map(bundle_folder, bundles) if not _verify_and_print(path, options)]
    raise typer.Exit(1 if failures else 0)


def _verify_and_print(path: Path, options: "EngineOptions") -> bool:
    """Return whether the bundle in `path` is valid, and print that or the reason why not."""
    from models.contract import BundleError
    from service.engine.session import EngineRejected

    try:
        found = _check_bundle(path, options)
    except (BundleError, EngineRejected) as error:
        reason = Text.assemble(("failed", "red"), printable(f" {path_text(path)}: {error}"))
        Console(stderr=True).print(reason, soft_wrap=True)
        return False
    Console().print(Text.assemble(("ok", "green"), f" {found}"), soft_wrap=True)
    return True


def _check_bundle(path: Path, options: "EngineOptions") -> str:
    """Return a description of the checks and the difference of golden images. Raises BundleError, EngineRejected."""
    from models.contract import read_bundle

    bundle = read_bundle(path)
    manifest = bundle.manifest
    variants = ", ".join(_check_variant(bundle, variant.precision, options) for variant in manifest.variants)
    return (
        f"{manifest.name}/{manifest.version}: {len(manifest.files)} hashes, {len(manifest.labels)} classes, "
        f"{len(manifest.golden.images)} golden images: {variants}"
    )


def _check_variant(bundle: "Bundle", precision: "Precision", options: "EngineOptions") -> str:
    from service.engine.engines import obstacle, providers_for
    from service.engine.verification import check_golden, open_verified

    providers = providers_for(precision, options.providers)
    if reason := obstacle(precision, providers):
        return f"{precision} not checked: {reason}"
    with closing(open_verified(bundle, replace(options, precision=precision, providers=providers))) as engine:
        worst = check_golden(bundle, engine, precision)
        return f"{precision} within {worst:.1e} (allowed {bundle.tolerance(precision):.1e}) on {engine.provider}"
