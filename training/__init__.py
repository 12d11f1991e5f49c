"""Offline: data -> network -> calibration -> ONNX bundle. The service needs nothing of this."""
