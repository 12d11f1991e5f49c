"""Architectures by name, and the parts that they are made of."""
