"""Which model versions exist, their states, and which version answers a request."""
