"""Volumes to settlement: sums for each party, what is left over, and whether it all adds up."""
