"""Variants of a bundle in int8, in fp16 and pruned, each admitted only with measurements."""
