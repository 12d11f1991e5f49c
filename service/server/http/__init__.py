"""uvicorn, with limits for what clients may take and a drain that ends."""
