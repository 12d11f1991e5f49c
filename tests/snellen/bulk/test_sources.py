"""Which images there are, in which order, under which names."""

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from snellen.bulk.errors import Refused
from snellen.bulk.places import place_of
from snellen.bulk.sources import Entry, Kind, PassedOver, Sources
from tests.snellen.bulk.data import PICTURES, sources, write_parquet, write_tar


def names(found: Sources) -> list[str]:
    return [entry.name for entry in entries(found)]


def entries(found: Sources) -> list[Entry]:
    passed_over = PassedOver()
    return list(found.images(found.files(passed_over), passed_over))


def test_folders_are_walked_in_sorted_order_and_the_rest_is_counted(tmp_path: Path) -> None:
    """As without --out: by the ends of names, without what systems leave behind and without links to folders."""
    inside = ("b/2.JPG", "a.png", "b/1.png", "b.png", "notes.txt", "._a.png", ".git/d.png", "photo.heic", "t.parquet")
    for name in inside:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "z").symlink_to(tmp_path / "b")
    found, passed_over = sources(tmp_path), PassedOver()
    assert [file.text for file in found.files(passed_over)] == [
        f"{tmp_path}/{name}" for name in ("a.png", "b/1.png", "b/2.JPG", "b.png")
    ]
    assert list(passed_over.sentences()) == [
        "passed over 3 files that do not end as images do: 1 .txt, 1 .heic, 1 .parquet",
        "convert HEIC photos to JPEG, or read them with --heic",
        "Parquet files in folders are read with --column NAME, the column that holds the images",
        "passed over what systems and file managers leave behind: 1 .*, 1 ._*",
        "passed over 1 symbolic link to a folder: name these folders as arguments",
    ]


def test_the_output_is_no_input_of_an_address(tmp_path: Path) -> None:
    """Such as file://, which is the same folder."""
    (out := tmp_path / "results.parquet").mkdir()
    write_parquet(out / "part-00000.parquet", {"image": PICTURES})
    (tmp_path / "a.png").touch()
    found = sources(f"file://{tmp_path}", column="image", output=out)
    assert names(found) == [f"file://{tmp_path}/a.png"]


def test_an_address_with_a_password_is_refused() -> None:
    """It would be in every row; the sentence does not show it."""
    with pytest.raises(Refused, match="^http://host/a.png was given with a password") as refused:
        names(sources("http://me:secret@host/a.png"))
    assert "secret" not in str(refused.value)


def test_the_names_of_arguments_are_plain() -> None:
    """However the same folder was written."""
    assert sources("a/", "./b", "/", "memory://c/").names == ["a", "b", "/", "memory://c"]


def test_the_output_is_no_input(tmp_path: Path) -> None:
    """Where it lies in a folder that is read."""
    (tmp_path / "results.parquet").mkdir()
    for name in ("a.png", "results.parquet/part-00000.parquet"):
        (tmp_path / name).touch()
    found = sources(tmp_path, column="image", output=tmp_path / "results.parquet")
    assert names(found) == [f"{tmp_path}/a.png"]


def test_the_output_is_no_input_under_another_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one with `..`, or through a link."""
    folder = tmp_path / "folder"
    (folder / "results.parquet").mkdir(parents=True)
    for name in ("a.png", "results.parquet/part-00000.parquet"):
        (folder / name).touch()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder)
    assert names(sources("../folder", column="image")) == ["../folder/a.png"]
    assert names(sources(tmp_path / "link", column="image")) == [f"{tmp_path}/link/a.png"]


def test_members_of_a_shard_have_unique_names_and_places(tmp_path: Path) -> None:
    """Names that occur twice get a number, whatever a name says nothing is written, and other members are counted."""
    shard = write_tar(
        tmp_path / "s.tar",
        [
            ("0.png", PICTURES[0]),
            ("0.cls", b"1"),
            ("../../0.png", b"x"),
            ("0.png", b"another"),
            ("__MACOSX/0.png", b""),
        ],
    )
    passed_over = PassedOver()
    found = list(sources(shard).images(sources(shard).files(passed_over), passed_over))
    assert [entry.name for entry in found] == [f"{shard}/0.png", f"{shard}/../../0.png", f"{shard}/0.png#2"]
    bodies = [place_of(each.address).read(each.address, each.offset, each.size) for each in found]
    assert bodies == [PICTURES[0], b"x", b"another"]
    assert len(list(passed_over.sentences())) == 2


def test_links_in_a_shard_are_no_images(tmp_path: Path) -> None:
    """A link could point to any file."""
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("0.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link, io.BytesIO())
    assert names(sources(path)) == []


@pytest.mark.parametrize(
    "damage",
    [lambda body: b"no archive" * 100, lambda body: body[:700], lambda body: body[:1024] + b"x" * 512 + body[1536:]],
    ids=["other", "truncated", "header"],
)
def test_a_damaged_shard_is_refused(tmp_path: Path, damage: "type[bytes]") -> None:
    """Before anything is classified, also where the damage is in the middle."""
    shard = write_tar(tmp_path / "s.tar", [(f"{index}.png", PICTURES[0]) for index in range(3)])
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(Refused, match=r"s\.tar is not a tar archive, or damaged"):
        names(sources(shard))


def test_a_compressed_shard_is_refused(tmp_path: Path) -> None:
    """Since no image in it can be read without those before it."""
    (tmp_path / "s.tar.gz").touch()
    with pytest.raises(Refused, match=r"make it a plain \.tar"):
        names(sources(tmp_path))


def test_rows_of_parquet_are_named_by_their_number(tmp_path: Path) -> None:
    """Bytes, or Hugging Face's struct of bytes and path."""
    plain = write_parquet(tmp_path / "a.parquet", {"image": PICTURES})
    write_parquet(tmp_path / "b.parquet", {"image": [{"bytes": b"", "path": "x.png"}]})
    assert names(sources(plain)) == [f"{plain}#0", f"{plain}#1", f"{plain}#2"]
    assert [entry.kind for entry in entries(sources(tmp_path, column="image"))] == [Kind.PARQUET] * 4
    assert names(sources(tmp_path)) == []


@pytest.mark.parametrize(
    ("values", "column", "sentence"),
    [
        ([b""], "photo", "has no column photo; it has image: name one with --column"),
        (["text"], None, "holds string, not bytes of images"),
    ],
)
def test_a_column_that_holds_no_images_is_refused(
    tmp_path: Path, values: list[object], column: str | None, sentence: str
) -> None:
    """With what to change."""
    path = write_parquet(tmp_path / "a.parquet", {"image": values})
    with pytest.raises(Refused, match=sentence):
        names(sources(path, column=column))


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    """By its name."""
    (tmp_path / "a.parquet").write_bytes(b"text")
    with pytest.raises(Refused, match=r"a\.parquet is not a Parquet file, or damaged"):
        names(sources(tmp_path / "a.parquet"))


def test_arguments_that_do_not_exist_or_overlap_are_refused(tmp_path: Path) -> None:
    """So that each image is counted once."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").touch()
    with pytest.raises(Refused, match="there is no file or folder .*/b"):
        names(sources(tmp_path / "b"))
    for arguments in ((tmp_path, tmp_path / "a/1.png"), (tmp_path / "a/1.png", tmp_path), (tmp_path, tmp_path)):
        with pytest.raises(Refused, match="name each image once"):
            names(sources(*arguments))


def test_schemas_with_large_binaries_are_read(tmp_path: Path) -> None:
    """As pandas and Polars write them."""
    path = write_parquet(tmp_path / "a.parquet", {"image": pa.array(PICTURES, pa.large_binary())})
    assert len(names(sources(path))) == 3
