"""The subcommands of `snellen`, one file each."""
