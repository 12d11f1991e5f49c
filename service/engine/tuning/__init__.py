"""Finds out how a graph runs fastest on this machine."""
