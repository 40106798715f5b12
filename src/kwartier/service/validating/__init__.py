"""Readings of a day checked and completed: what the rules need is brought together, and what they said is kept."""
