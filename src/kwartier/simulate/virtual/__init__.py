"""Nights in virtual time: a loop whose clock jumps, a network in memory, and what goes wrong on it, all from one seed."""
