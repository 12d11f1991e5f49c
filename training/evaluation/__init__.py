"""Accuracy and calibration of a network: fitted on held-out images, measured on the test images."""
