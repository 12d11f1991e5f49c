"""Admission, queue, batch and delivery; knows neither HTTP nor image formats nor ONNX."""
