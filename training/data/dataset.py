"""Any source of labelled images, read, checked and split into training, validation, calibration and test images."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from models.contract import Colour, Input, Preprocessing
from training.data.class_balance import describe_imbalance
from training.data.labelled_images import LabelledImages
from training.data.labels import beside_a_name, same_but_for_case, shorten, what_is_wrong_with
from training.data.metadata import DatasetMetadata
from training.data.picture_fit import PictureFit
from training.data.pixel_storage import MEMORY_BYTES, PixelStorage, default_cache
from training.data.sources.arrays import Arrays, open_arrays
from training.data.sources.folders import list_class_folders
from training.data.sources.idx import holds_idx, read_idx_folder
from training.data.sources.image_files import open_pictures
from training.data.sources.listing import Listing, relabelled
from training.data.sources.named import NAMES, open_named
from training.data.sources.tables import SUFFIXES, list_table
from training.data.split import HoldOut
from training.data.warnings_list import DatasetWarnings
from training.errors import DatasetError

_COLOURS = {Colour.L: "grey", Colour.RGB: "RGB"}


@dataclass(frozen=True)
class Dataset:
    """validation, calibration and test are as the network takes them: uint8 [N, *target.shape], by `preprocess`.

    train: in the input's colours, but of another height and width where random crops need a margin (photos) or the
    images have another size (arrays); as the network takes them where whole pictures were asked for. `test` is None
    where the source has no test part.
    """

    metadata: DatasetMetadata
    target: Input
    preprocessing: Preprocessing
    train: LabelledImages
    validation: LabelledImages
    calibration: LabelledImages
    test: LabelledImages | None
    warnings: DatasetWarnings

    def sentences(self) -> list[str]:
        """Return what a person should know before the training: sizes, imbalance, skipped files, copies."""
        sizes = {"train": self.train, "validation": self.validation, "calibration": self.calibration, "test": self.test}
        parts = ", ".join(f"{len(images):,} {part}" for part, images in sizes.items() if images)
        uneven = describe_imbalance(self.train.labels, self.metadata.labels)
        labels = self.metadata.labels
        title = f"{self.metadata.title}: {len(labels)} classes ({shorten(labels)}), images: {parts}; {self._input()}"
        return [title, *([uneven] if uneven else []), *self.warnings.sentences()]

    def _input(self) -> str:
        return f"input {self.target.width}x{self.target.height} {_COLOURS[self.target.colour]}"


def open_dataset(
    source: str,
    *,
    target: Input | None = None,
    colour: Colour | None = None,
    preprocessing: Preprocessing | None = None,
    fit: PictureFit | None = None,
    seed: int = 0,
    validation: float = HoldOut.validation,
    calibration: float = HoldOut.calibration,
    labels: tuple[str, ...] = (),
    earlier: tuple[str, ...] = (),
    as_before: bool = False,
    bits: int | None = None,
    cache: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> Dataset:
    """Read, check, split and decode `source`, before any training.

    source: a folder of class folders or of IDX files, a table as text or Parquet, or one of NAMES.
    target: the network's input; by default the size and colours of small images, and 224x224 RGB for photos.
    preprocessing: by default that of the data, with what `fit` chooses in its place.
    colour: of that default, instead of the images' own.
    validation, calibration: fractions of the training images, held out where the source has no such part.
    labels: names of the classes in the order of their numbers, where the source has none or to check those it has.
    earlier: classes of an earlier version of the model; where the source names the same classes, they keep that order.
    as_before: follow the rules of versions up to 0.1.0, for runs that began with them: classes that are numbers are in
    the order of their texts, as 1, 10, 2, and images of which one has another size are photos.
    bits: those in use of grey files of 16 bits; None takes those of `preprocessing`, or measures the files to train on,
    as MEASURE of `wide_values` always does.
    cache: folder for downloads, and for pixels beyond `memory_bytes`; by default `default_cache()`.
    Raises DatasetError, whose sentence says what to change.
    """
    cache = cache or default_cache()
    opened_source, fit = find_source(source, labels, cache), fit or PictureFit()
    hold_out, storage = HoldOut(validation, calibration, seed), PixelStorage(cache, memory_bytes)
    if isinstance(opened_source, Listing):
        opened_source = opened_source if labels else _reordered(opened_source, earlier, as_before=as_before)
        opened = open_pictures(
            opened_source,
            target,
            preprocessing,
            fit,
            hold_out,
            storage,
            colour=colour,
            bits=bits,
            unanimous=as_before,
        )
    else:
        opened = open_arrays(opened_source, target, preprocessing, fit, hold_out, storage, colour=colour)
    return Dataset(
        metadata=opened_source.metadata,
        target=opened.target,
        preprocessing=opened.preprocessing if not bits else opened.preprocessing.model_copy(update={"bits": bits}),
        train=opened.parts["train"],
        validation=opened.parts["validation"],
        calibration=opened.parts["calibration"],
        test=opened.parts.get("test"),
        warnings=_with_notes(opened.warnings, opened_source),
    )


def _reordered(listed: Listing, earlier: tuple[str, ...], *, as_before: bool) -> Listing:
    names = listed.metadata.labels
    if set(earlier) == set(names):
        return relabelled(listed, earlier)
    return relabelled(listed, tuple(sorted(names))) if as_before else listed


def _with_notes(warnings: DatasetWarnings, opened: Arrays | Listing) -> DatasetWarnings:
    """Return the warnings with what the names of the classes say: which of them differ only in case."""
    labels = opened.metadata.labels if isinstance(opened, Listing) else ()
    notes = [
        f"the classes {' and '.join(map(repr, names))} differ only in case: join them if they are one"
        for names in same_but_for_case(labels)
    ]
    return replace(warnings, notes=(*notes, *warnings.notes))


def note_on_name(source: str) -> str | None:
    """Return a sentence where a data set is chosen by its name although a file or folder here has that name too.

    It is for the time before the data set is downloaded.
    """
    return beside_a_name(source) if source in NAMES and os.path.exists(source) else None


def find_source(source: str, labels: tuple[str, ...], cache: Path) -> Arrays | Listing:
    """Return the source, without decoding the files of a listing. Raises DatasetError.

    A name is tried before a path: write ./mnist for a folder of that name.
    """
    path = Path(os.path.expanduser(source))
    if source in NAMES:
        try:
            return open_named(source, cache, labels)
        except DatasetError as error:
            if not path.exists():
                raise
            raise DatasetError(f"{error}; {beside_a_name(source)}") from error
    if source and path.is_dir():
        return read_idx_folder(path, labels) if holds_idx(path) else list_class_folders(path, labels)
    if path.is_file() and path.suffix.casefold() in SUFFIXES:
        return list_table(path, labels)
    raise DatasetError(
        f"{what_is_wrong_with(path, source)}: give a folder of class folders or IDX files, "
        f"a table ({', '.join(SUFFIXES)}) with the columns path and label, or one of {', '.join(NAMES)}"
    )
