"""Encoded bytes to uint8 pixels, within limits."""
