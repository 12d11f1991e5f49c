"""Offline: data -> network -> calibration -> ONNX bundle. The service needs nothing of this."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before onnxruntime is loaded: PyPI's builds report to their maker
