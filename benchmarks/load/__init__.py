"""Load generators: closed loop, open loop, and locust users."""
