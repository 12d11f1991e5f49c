"""Published weights as bundles."""
