"""`snellen verify`, as a command."""

import json
import re
from pathlib import Path

import pytest

from models.contract import MANIFEST, Precision, openvino_library, sha256_of
from service.engine.engines import obstacle, providers_for
from tests.snellen.command import in_process, snellen
from tests.support.bundles import change_manifest, write_bundle
from tests.support.pictures import RED, picture


def test_verify_passes_what_is_whole(bundle: Path) -> None:
    """And says what it checked."""
    done = snellen("verify", bundle)
    assert done.returncode == 0, done.stderr
    assert "3 golden images" in done.stdout


def test_verify_names_what_is_off(tmp_path: Path) -> None:
    """Exit status 1 and the reason."""
    folder = write_bundle(tmp_path)
    (folder / "golden/blue.png").write_bytes(picture(RED))
    done = snellen("verify", folder)
    assert done.returncode == 1
    assert "golden/blue.png differs from the" in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("golden/red.png", b"no picture", "golden image golden/red.png cannot be decoded"),
        ("golden/probabilities.json", b"[]", "golden/probabilities.json: the document"),
        ("golden/probabilities.json", b"not JSON", "golden/probabilities.json: the document: Invalid JSON"),
        ("golden/probabilities.json", b"[" * 100_000, "golden/probabilities.json: the document"),
        ("model.onnx", b"not a graph", "onnxruntime cannot load model.onnx"),
    ],
    ids=["picture", "list", "not JSON", "deep", "graph"],
)
def test_a_file_that_is_not_what_it_should_be_is_named(tmp_path: Path, file: str, content: bytes, reason: str) -> None:
    """Though its hash is right."""
    folder = write_bundle(tmp_path)
    (folder / file).write_bytes(content)
    list_again(folder)
    done = snellen("verify", folder)
    assert (done.returncode, reason in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("as_it_is", [True, False], ids=["this processor", "one without bfloat16"])
def test_a_variant_is_checked_on_the_library_that_computes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_it_is: bool
) -> None:
    """Whatever --providers names; where none can, the line says why, and the others count."""
    if not as_it_is:
        monkeypatch.setattr(openvino_library, "has_bfloat16", lambda: False)
    folder = write_bundle(tmp_path)
    variants = json.loads((folder / MANIFEST).read_text())["variants"]
    change_manifest(folder, variants=[*variants, variants[0] | {"precision": "bf16"}])
    done = in_process("verify", folder, "--providers", "cpu")
    assert done.returncode == 0, done.stderr
    if reason := obstacle(Precision.BF16, providers_for(Precision.BF16, ("cpu",))):
        assert f"bf16 not checked: {reason}" in done.stdout
    else:
        assert as_it_is
        assert re.search(r"fp32 within .* on cpu, bf16 within .* on openvino$", done.stdout.strip())


def list_again(folder: Path) -> None:
    """Sizes and hashes of the files as they are now."""
    paths = [file["path"] for file in json.loads((folder / MANIFEST).read_text())["files"]]
    files = [
        {"path": path, "sha256": sha256_of(folder / path), "bytes": (folder / path).stat().st_size} for path in paths
    ]
    change_manifest(folder, files=files)


def test_a_deep_manifest_is_refused(tmp_path: Path) -> None:
    """As any other that does not parse."""
    folder = write_bundle(tmp_path)
    (folder / MANIFEST).write_text("[" * 100_000)
    done = snellen("verify", folder)
    assert (done.returncode, "manifest.json: the document" in done.stderr) == (1, True)


def test_one_failure_among_several_counts(bundle: Path, tmp_path: Path) -> None:
    """All are checked; brackets in a path are no markup."""
    done = snellen("verify", tmp_path / "[/red]", bundle)
    assert done.returncode == 1
    assert "[/red]: manifest.json cannot be read" in done.stderr
    assert "ok colours/1" in done.stdout
