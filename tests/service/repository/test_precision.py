"""Which variant of a bundle is served."""

from pathlib import Path

import pytest

from models.contract import Precision, read_bundle
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected
from service.engine.verification import check_golden, open_verified
from tests.support.bundles import write_bundle
from tests.support.clients import ready_client
from tests.support.variants import add_variant


def precisions(repository: Path, wanted: Precision) -> list[str]:
    """Of all models as their pages name them."""
    with ready_client(repository, precision=wanted) as client:
        models = client.get("/v1/models").json()["models"]
        return [client.get(f"/v1/models/{model['name']}").json()["engine"]["precision"] for model in models]


def test_the_wanted_variant_is_served_where_there_is_one(tmp_path: Path) -> None:
    """Other bundles serve fp32, and each says what it serves."""
    add_variant(write_bundle(tmp_path, "colours"))
    write_bundle(tmp_path, "shades")
    assert precisions(tmp_path, Precision.INT8) == ["int8", "fp32"]
    assert precisions(tmp_path, Precision.FP32) == ["fp32", "fp32"]


def test_a_variant_proves_itself_within_its_own_tolerance(tmp_path: Path) -> None:
    """It is not held to fp32's, and not let off."""
    bundle = read_bundle(add_variant(write_bundle(tmp_path)))
    engine = open_verified(bundle, EngineOptions(precision=Precision.INT8))
    assert 0 < check_golden(bundle, engine, Precision.INT8) < 0.01
    engine.close()
    other = read_bundle(add_variant(write_bundle(tmp_path, version=2), factor=1))
    with pytest.raises(EngineRejected, match=r"off by .* on cpu, the manifest allows 0\.01"):
        open_verified(other, EngineOptions(precision=Precision.INT8))
