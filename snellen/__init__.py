"""The command `snellen`."""
