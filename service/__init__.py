"""The server; runs without PyTorch."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before onnxruntime is loaded: PyPI's builds report to their maker
