"""Python runs this file when it starts, where the folder is on its path."""

from benchmarks.harness.simulated import install

install()
