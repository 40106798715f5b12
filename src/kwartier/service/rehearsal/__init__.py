"""Nights in virtual time with everything that can go wrong, and the promises that have to hold all the same."""
