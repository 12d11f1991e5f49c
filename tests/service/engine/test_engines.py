"""Which library opens a graph."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.contract import Bundle, Precision, openvino_library, read_bundle
from service.engine.engines import every_provider, obstacle, open_engine, providers_for, runtime_of
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected, all_providers
from tests.support.bundles import write_bundle
from tests.support.libraries import LIBRARIES, needs_openvino


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path))


def opened(bundle: Bundle, options: EngineOptions) -> str:
    """Return the provider of the engine that opens with these options."""
    engine = open_engine(bundle.path / "model.onnx", bundle.manifest, options)
    engine.close()
    return engine.provider


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_first_provider_decides(bundle: Bundle, library: str) -> None:
    """Those behind it are for nodes or machines that the first cannot serve."""
    assert opened(bundle, EngineOptions((library,))) == library
    assert opened(bundle, EngineOptions((*dict.fromkeys((library, "cpu")),))) == library


def test_without_providers_onnxruntime_opens_the_graph(bundle: Bundle) -> None:
    """As for `snellen classify`, which does not measure."""
    assert opened(bundle, EngineOptions(strict=False)) in all_providers()


@pytest.mark.skipif(openvino_library.installed(), reason="OpenVINO is installed")
def test_without_openvino_a_sentence_says_how_to_install_it(bundle: Bundle) -> None:
    """Unless another library may take its place."""
    with pytest.raises(EngineRejected, match=r"not installed: pip install 'snellen\[openvino\]'$"):
        opened(bundle, EngineOptions(("openvino",)))
    assert opened(bundle, EngineOptions(("openvino", "cpu"), strict=False)) == "cpu"


@needs_openvino
def test_without_strict_onnxruntime_runs_what_openvino_cannot(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line in the log has the reason; with `strict`, or by default, the model is refused."""

    def refuse(*_: object) -> None:
        raise EngineRejected("OpenVINO cannot load it")

    monkeypatch.setattr("service.engine.engines.OpenVinoEngine", refuse)
    assert opened(bundle, EngineOptions(("openvino",), strict=False)) == "cpu"
    assert "onnxruntime runs model.onnx: OpenVINO cannot load it" in caplog.text
    with pytest.raises(EngineRejected, match="OpenVINO cannot load it"):
        opened(bundle, EngineOptions(("openvino", "cpu")))


def test_bfloat16_is_never_computed_in_float32(bundle: Bundle) -> None:
    """onnxruntime would run the graph of fp32 under another name."""
    with pytest.raises(EngineRejected, match="^bf16 runs on OpenVINO only, see --providers$"):
        opened(bundle, EngineOptions(("cpu",), precision=Precision.BF16))
    assert obstacle(Precision.INT8, ("cpu",)) is None


def test_a_variant_that_one_library_computes_goes_to_that_library() -> None:
    """If it is installed; all others go where they were wanted."""
    assert all(providers_for(each, ("cpu",)) == ("cpu",) for each in Precision if each is not Precision.BF16)
    expected = "openvino" if openvino_library.installed() else "cpu"
    assert providers_for(Precision.BF16, ("cpu",)) == (expected,)


def test_every_provider_has_a_library() -> None:
    """The slowest is the last, and OpenVINO has a version of its own."""
    assert every_provider()[-1] == "cpu"
    assert ("openvino" in every_provider()) == openvino_library.installed()
    assert runtime_of("cpu").startswith("onnxruntime ")
    assert runtime_of("openvino").startswith("openvino")


def imported_by(code: str, *names: str) -> list[str]:
    """Run code in a new process, and return which of these modules it has imported at its end."""
    code += f"\nimport sys\nprint(*[name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_frontend_loads_no_library_before_a_graph_is_opened() -> None:
    """With engine processes it never opens one."""
    assert imported_by("import service.frontend", "onnx", "onnxruntime", "openvino") == []


@needs_openvino
def test_a_process_that_runs_openvino_does_not_load_onnxruntime(bundle: Bundle, tmp_path: Path) -> None:
    """Neither to open a graph nor to find out how it runs fastest."""
    code = f"""
import subprocess
import sys
from pathlib import Path
from models.contract import read_bundle
from service.build import engine_factory
from service.settings import Settings

settings = Settings(providers=("openvino",), models={str(bundle.path.parent.parent)!r}, profile_cache={str(tmp_path)!r})
engine_factory(settings, 1)(read_bundle(Path({str(bundle.path)!r})), None).engine.close()"""
    assert imported_by(code, "onnxruntime", "openvino") == ["openvino"]
