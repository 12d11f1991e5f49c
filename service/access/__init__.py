"""API keys: their file, its reloading, and the check of a key that a request carries."""
