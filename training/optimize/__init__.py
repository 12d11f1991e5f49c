"""Smaller or faster variants of a bundle, each admitted only with measurements."""
