"""How many machines a load needs: measured costs of an image, and a simulation of how the service forms batches.

costs holds what an image costs. measurement measures it on this machine. simulation computes the latency of each image
of a stream. sizing finds the load that a machine carries within a latency. plot draws latency against load.
"""
