"""Clusters of any size, simulated with measured times."""
