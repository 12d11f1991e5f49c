"""Adding of variants to an existing bundle; if it is interrupted at any moment, a whole bundle remains."""

import os
from collections.abc import Sequence
from pathlib import Path

from models.contract import MANIFEST, Bundle, File, Manifest, Precision, Variant, read_bundle, sha256_of
from training.importing.bundle_writer import CARD
from training.model_card.confusion_section import read_section
from training.model_card.model_card import model_card


def add_variants(bundle: Bundle, variants: Sequence[tuple[Variant, Path]]) -> Bundle:
    """Move each file into the bundle, then write the manifest that lists it, then the card. Returns the new bundle.

    A variant of the same precision is replaced: it leaves the manifest before its file changes. The files have to be on
    the bundle's file system. A bf16 variant has no file of its own: it is the file of fp32.
    """
    replaced = {variant.precision for variant, _ in variants}
    kept = [variant for variant in bundle.manifest.variants if variant.precision not in replaced]
    gone = {variant.path for variant in bundle.manifest.variants} - {variant.path for variant in kept}
    files = [file for file in bundle.manifest.files if file.path not in gone]
    if gone:
        _write_manifest(bundle, _changed(bundle.manifest, kept, files))
    for variant, path in variants:
        if variant.precision is Precision.BF16:
            continue
        path.replace(bundle.file(variant.path))
        files.append(_describe(bundle, variant.path))
    for left in gone - {variant.path for variant, _ in variants}:
        bundle.file(left).unlink()
    manifest = _changed(bundle.manifest, [*kept, *(variant for variant, _ in variants)], files)
    _write_manifest(bundle, manifest)
    _write_card(bundle, manifest)
    return read_bundle(bundle.path)


def _changed(manifest: Manifest, variants: Sequence[Variant], files: Sequence[File]) -> Manifest:
    listed = sorted(files, key=lambda file: file.path)
    return Manifest.model_validate(
        dict(manifest) | {"schema_version": 2, "variants": tuple(variants), "files": tuple(listed)}
    )


def _describe(bundle: Bundle, relative: str) -> File:
    path = bundle.file(relative)
    return File(path=relative, sha256=sha256_of(path), bytes=path.stat().st_size)


def _write_manifest(bundle: Bundle, manifest: Manifest) -> None:
    _write(bundle.file(MANIFEST), manifest.model_dump_json(indent=2) + "\n")


def _write_card(bundle: Bundle, manifest: Manifest) -> None:
    """Write the card of the new manifest, with the confusion of the old card, which no other file has."""
    path = bundle.file(CARD)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    _write(path, model_card(manifest, read_section(before)))


def _write(path: Path, text: str) -> None:
    """Write the whole text, or leave the former one."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
