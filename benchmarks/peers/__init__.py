"""Other servers for the same bundle, as a user of each would write them; each runs in its own environment."""
