"""A report on a bundle: what it gets wrong, how far it can be trusted, and what it sees, in one HTML file."""
