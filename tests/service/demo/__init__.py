"""Demonstrations: who may look, how it is broken, and what goes on behind the console."""
