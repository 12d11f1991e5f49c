"""One graph on one device: sessions, verification, tuning."""
