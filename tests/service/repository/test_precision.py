"""Which variant of a bundle is served."""

from pathlib import Path

from models.contract import Precision
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
