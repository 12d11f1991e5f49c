"""Tests of `training/`: they run where PyTorch is, on data made in the test."""
