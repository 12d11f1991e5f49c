"""The list of all images of a run, and the digest of the inputs."""

from pathlib import Path

from snellen.bulk.inputs import FileDigest, listing_of, read_list, shards_of, write_list
from snellen.bulk.sources import Entry, FoundFile, Kind

SIZES = [("a.parquet", 10), ("caf\udce9.parquet", 20)]


def test_any_range_of_the_list_is_read(tmp_path: Path) -> None:
    """Also across the groups that the list is written in."""
    entries = [Entry(Kind.TAR, f"s.tar/{index}", "s.tar", index, 7, 99) for index in range(25_000)]
    assert write_list(iter(entries), tmp_path / "list") == 25_000
    for begin, end in ((0, 3), (9_998, 10_003), (9_000, 21_000), (20_000, 25_000), (24_999, 25_000)):
        assert list(read_list(tmp_path / "list", begin, end)) == entries[begin:end]


def test_a_path_that_is_no_utf8_comes_back(tmp_path: Path) -> None:
    """Since the file could not be opened by its escaped name."""
    entry = Entry(Kind.FILE, "caf\\xe9.png", "caf\udce9.png")
    write_list([entry], tmp_path / "list")
    assert list(read_list(tmp_path / "list", 0, 1)) == [entry]


def test_shards_have_their_sizes(tmp_path: Path) -> None:
    """Each once for each group of the list that it is in."""
    shards = [Entry(Kind.PARQUET, str(row), shard, row, 0, size) for shard, size in SIZES for row in range(3)]
    write_list([Entry(Kind.FILE, "a.png", "a.png"), *shards], tmp_path / "list")
    assert list(shards_of(tmp_path / "list")) == SIZES


def test_the_digest_is_of_names_order_and_sizes() -> None:
    """Anything else means the same inputs."""
    first, second = FoundFile(Kind.FILE, "a", "a", 0), FoundFile(Kind.TAR, "b", "b", 10)
    digest = FileDigest()
    assert list(digest.passing([first, second])) == [first, second]
    assert digest.listing == listing_of([first, second])
    assert digest.listing.files == 2
    others = ([second, first], [first], [first, second._replace(size=11)], [first, second._replace(text="c")])
    assert digest.listing.sha256 not in {listing_of(each).sha256 for each in others}
