"""The main process, and the processes that it starts."""
