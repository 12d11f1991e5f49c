"""Exchange of images and results between frontends and engine processes."""
