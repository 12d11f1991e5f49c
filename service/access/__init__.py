"""API keys: their file, its reloading, and the check of a key; and limits of images per second of each client."""
