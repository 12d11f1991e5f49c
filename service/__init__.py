"""The server; runs without PyTorch."""
