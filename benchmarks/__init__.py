"""Load on a running service, and the records of measurements."""
