"""The protocols: requests are parsed into calls of the use cases, and results are written as responses."""
