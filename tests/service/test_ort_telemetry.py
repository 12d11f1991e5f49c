"""Nothing reports to anybody."""

import subprocess
import sys


def test_onnxruntime_is_loaded_with_its_telemetry_off() -> None:
    """The variable is set before the library is."""
    code = (
        "import sys, os\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'onnxruntime': print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import service.engine.onnx_engine\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
