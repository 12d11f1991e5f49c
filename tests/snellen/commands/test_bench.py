"""`snellen bench`, as a command."""

from pathlib import Path

from tests.snellen.command import snellen
from tests.support.bundles import change_manifest, write_bundle


def test_bench_prints_every_stage(bundle: Path) -> None:
    """Decoding of each golden image and the session by batch size."""
    done = snellen("bench", bundle, "--seconds", 0.1, "--largest", 2)
    assert done.returncode == 0, done.stderr
    assert "batch of 1" in done.stdout
    assert "decode golden/red.png" in done.stdout


def test_bench_times_no_larger_batch_than_the_graph_takes(tmp_path: Path) -> None:
    """As the manifest's `max_batch` says."""
    folder = write_bundle(tmp_path)
    change_manifest(folder, max_batch=1)
    done = snellen("bench", folder, "--seconds", 0.1)
    assert done.returncode == 0, done.stderr
    assert ("batch of 1" in done.stdout, "batch of 2" in done.stdout) == (True, False)


def test_bench_says_why_it_cannot(tmp_path: Path) -> None:
    """In one line."""
    done = snellen("bench", tmp_path)
    assert (done.returncode, "manifest.json cannot be read" in done.stderr) == (1, True)
