"""What the values of a meter mean: interface classes, companions, and the way from a profile's buffer to columns."""
