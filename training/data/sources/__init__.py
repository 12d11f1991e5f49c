"""Readers of labelled images: class folders, tables, IDX files, named data sets, image files."""
