"""A training run: its configuration, its steps, and its checkpoints."""
