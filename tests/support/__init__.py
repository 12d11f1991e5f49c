"""Small real things for tests: bundles of three colours, pictures, a gated engine, a server process."""
