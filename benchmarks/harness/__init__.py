"""Start servers, let them take turns under load, and record the measurements."""
