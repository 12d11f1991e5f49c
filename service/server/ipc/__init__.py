"""Images and answers between frontends and engine processes."""
