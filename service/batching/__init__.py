"""Admission, queue, batch and delivery. Independent of HTTP, of image formats and of ONNX."""
