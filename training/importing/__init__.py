"""Everything that makes a verified bundle folder and needs no PyTorch."""
