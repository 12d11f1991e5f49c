"""Networks that others trained, made into bundles."""
