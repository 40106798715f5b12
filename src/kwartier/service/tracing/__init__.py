"""Visits that are traced: who may have one traced, who may look at it and sees what, and what may be made of it."""
