"""A report on a bundle as one HTML file."""
