"""Training of image classifiers: from labelled images to a verified ONNX bundle. The service needs none of this."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before onnxruntime is imported: PyPI's builds send usage data
