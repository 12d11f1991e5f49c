"""What training and service share: import it from `models.contract`. The bundles lie beside the code."""
