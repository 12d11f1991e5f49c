"""The engine finds its own shape: what to try, how to time it, which to choose, and what was found before."""
