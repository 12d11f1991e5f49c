"""From a network and labelled images to trained weights, through interruptions."""
