"""How accurate and how well calibrated the probabilities of a network are."""
