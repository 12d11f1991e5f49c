"""Bundles of networks with published weights."""
