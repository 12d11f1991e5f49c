"""uvicorn with limits on what clients may use, and with a drain that ends."""
