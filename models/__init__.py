"""The bundle format, shared by training and service; import it from `models.contract`.

The bundles lie beside the code.
"""
