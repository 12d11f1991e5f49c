"""The engine: one graph on one device. Sessions, verification, tuning."""
