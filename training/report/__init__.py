"""A report on a bundle as one HTML file: mistakes, calibration, and what the network computes inside."""
