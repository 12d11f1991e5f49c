"""The command line program `snellen`."""
