"""The model card: the manifest as Markdown for people."""
