"""Smaller or faster networks derived from a bundle's fp32, each admitted only with proof."""
