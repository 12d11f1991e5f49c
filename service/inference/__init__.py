"""The use cases: from an encoded image to a classification."""
