"""`classify --out` is measured beside the ceiling."""

from benchmarks.micro.bulk import SIZES, compare, image_of
from benchmarks.workloads import SHIPPED
from models.contract import read_bundle


def test_both_are_measured_in_turns() -> None:
    """One short round is enough here: rates above nothing, with a batch size that was tried."""
    found = compare(SHIPPED / "fashion-mnist" / "3", "cpu", rounds=1, seconds=0.2)
    assert min(*found.ceiling, *found.bulk, found.ratio) > 0
    assert found.ceiling_batch in SIZES


def test_a_network_gets_an_image_of_its_kind() -> None:
    """A photo, or a small grey picture."""
    starts = [image_of(read_bundle(SHIPPED / name))[:3] for name in ("imagenet/1", "fashion-mnist/3")]
    assert starts == [b"\xff\xd8\xff", b"\x89PN"]
