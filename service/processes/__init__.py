"""Several processes, one service: fronts speak HTTP and decode, engines run the networks (docs/processes.md)."""
