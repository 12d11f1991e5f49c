"""Which model versions exist, what became of them, and which answers."""
