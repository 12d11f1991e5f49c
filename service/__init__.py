"""The server. Runs without PyTorch."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # set before the import: onnxruntime from PyPI sends telemetry
