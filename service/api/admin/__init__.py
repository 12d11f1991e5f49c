"""The admin API: it changes which versions are served, for operators."""
