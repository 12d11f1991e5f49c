"""Measurements on a GPU: parity with the CPU, the engine's ceiling beside TensorRT's, and the service end to end."""
