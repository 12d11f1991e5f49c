"""The options of `snellen classify --out`, and what is said at the beginning and at the end."""

import json
import shlex
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from models.contract import MANIFEST, Precision, sha256_of
from service.inference.offline import OfflineClassifier
from service.inference.postprocess import DEFAULT_TOP_K
from snellen.bulk.batch_size import fastest_batch
from snellen.bulk.errors import Refused, Stopped
from snellen.bulk.inputs import FileDigest, listing_of, write_list
from snellen.bulk.parts import Job, Options, Output
from snellen.bulk.progress import Rate, progress_shown
from snellen.bulk.run import classify_parts
from snellen.bulk.sources import PassedOver, Sources
from snellen.offline import Opening
from snellen.options import exit_with_error
from snellen.output import path_text, printable

ROWS_PER_PART = 10_000
"""Rows of a part where --rows-per-part does not say: a minute or two of a laptop, and a file of some 500 KB."""

_WORTH_MEASURING = 1000
"""Images from which on the best batch size is measured, which takes as long as some 50 images."""


@dataclass(frozen=True)
class BulkOptions:
    """Options that only runs with --out have. out: the output folder. column: of Parquet files.

    on_ray: whether Ray's actors classify, and not this process.
    """

    out: Path
    rows_per_part: int = ROWS_PER_PART
    column: str | None = None
    on_ray: bool = False


def classify_into(
    classifier: OfflineClassifier, opening: Opening, sources: Sources, bulk: BulkOptions, *, max_bytes: int
) -> NoReturn:
    """Classify all images of `sources` into the output folder, and end the command. opening: of the classifier.

    Exit status: 0 when every image has a row with a class, 1 when some failed or the run stopped, 2 when it could not
    begin, 130 after Ctrl-C.
    """
    output = Output(bulk.out)
    options = options_of(classifier, opening.folder, bulk, max_bytes, heic=opening.heic)
    try:
        with output.locked():
            status = _run(classifier, output, sources, options, opening if bulk.on_ray else None)
    except Refused as error:
        exit_with_error(str(error), status=2)
    except Stopped as error:
        exit_with_error(str(error), status=1)
    except KeyboardInterrupt:
        exit_with_error("stopped; what is done stays, and the same command goes on", status=130)
    raise typer.Exit(status)


def options_of(
    classifier: OfflineClassifier, bundle: Path, bulk: BulkOptions, max_bytes: int, *, heic: bool
) -> Options:
    """Return what the rows depend on, beside the inputs."""
    manifest = classifier.manifest
    return Options(
        bundle=f"{manifest.name}/{manifest.version}",
        manifest=sha256_of(bundle / MANIFEST),
        precision=Precision.FP32.value,
        provider=classifier.engine.provider,
        top_k=min(classifier.top_k or DEFAULT_TOP_K, len(manifest.labels)),
        max_pixels=classifier.limits.max_pixels,
        max_bytes=max_bytes,
        heic=heic,
        column=bulk.column,
        rows_per_part=bulk.rows_per_part,
    )


def _run(
    classifier: OfflineClassifier, output: Output, sources: Sources, options: Options, on_ray: Opening | None
) -> int:
    """Begin, or go on; return the exit status. on_ray: how Ray's actors open the bundle; None to classify here."""
    job, missing, came = begun(output, sources, options)
    rate = Rate(job.images - sum(map(job.rows, missing)), job.images)
    if not missing:
        _say(f"{path_text(output.folder)} is finished; to classify again, give another --out, or remove it")
    elif rate.images:
        _say(f"going on after {rate.images:,} of {job.images:,} images")
    if came and missing:
        _say("files came or went since the run began; the images that were there at the start are classified")
    try:
        _classify(classifier, output, job, missing, rate, on_ray)
    except KeyboardInterrupt:
        left = len(output.missing(job))
        _say(f"stopped with {job.parts - left:,} of {job.parts:,} parts whole; the same command goes on after them")
        return 130
    failures = output.failures(job)
    _report(output, job, failures, rate if missing else None)
    changed = came or (bool(missing) and _changed(sources, job))
    if changed:
        _say(
            f"files came or went meanwhile: the {job.images:,} images that were there at the start have one row each, "
            "and what came since has none; classify it with another --out"
        )
    return 1 if failures or changed else 0


def _changed(sources: Sources, job: Job) -> bool:
    """Return whether there are other files than at the start, or an argument that cannot be listed any more."""
    try:
        return listing_of(sources.files(PassedOver())) != job.inputs
    except Refused:
        return True


def _classify(
    classifier: OfflineClassifier, output: Output, job: Job, missing: list[int], rate: Rate, on_ray: Opening | None
) -> None:
    measure = rate.total - rate.images >= _WORTH_MEASURING
    if on_ray is None:
        batch = fastest_batch(classifier.engine, classifier.manifest) if measure else 1
        with progress_shown(rate, Console(stderr=True)) as advance:
            classify_parts(classifier, output, missing, batch=batch, on_classified=advance)
    elif missing:
        from snellen.bulk.on_ray import classify_on_ray

        with progress_shown(rate, Console(stderr=True)) as advance:
            classify_on_ray(
                on_ray, output, missing, measure=measure, on_part=lambda part: advance(job.rows(part)), say=_say
            )


def begun(output: Output, sources: Sources, options: Options) -> tuple[Job, list[int], bool]:
    """Return what the folder is begun with, now or before, the numbers of the parts that are missing, and `came`.

    came: whether files came or went since it was begun. Raises Refused, also where no file is left or a shard changed.
    """
    passed_over, digest = PassedOver(), FileDigest()
    files = digest.passing(sources.files(passed_over))
    job, came = output.job(), False
    try:
        if job is None:
            write = partial(write_list, sources.images(files, passed_over))
            job = output.begin(write, options, sources.names, lambda: digest.listing)
        else:
            output.check_same(job, options, sources.names)
            for _ in files:
                pass
            came = digest.listing != job.inputs
            if came and not digest.listing.files:
                raise Refused(f"none of the {job.inputs.files:,} files of the run is there: bring them back")
    finally:
        for sentence in passed_over.sentences():
            _say(sentence)
    if came:
        output.check_shards()
    return job, output.missing(job), came


def _report(output: Output, job: Job, failures: "Counter[str]", rate: Rate | None) -> None:
    """Say how many rows there are, and how they are read. rate: of this process, None where it classified nothing."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in failures.most_common())
    failed = f"{failures.total():,} failed: {kinds}" if failures else "none failed"
    speed = "" if rate is None else f"; {rate.per_second:.1f} images/s"
    _say(f"{job.images:,} rows in {path_text(output.folder)}, {failed}{speed}")
    folder = f"./{output.folder}" if str(output.folder).startswith("~") else str(output.folder)  # as in _footer
    code = f"import pyarrow.parquet as pq; print(pq.read_table({json.dumps(folder)}))"
    _say(f"read them: python -c {shlex.quote(code)}")


def _say(text: str) -> None:
    typer.echo(f"snellen: {printable(text)}", err=True)
