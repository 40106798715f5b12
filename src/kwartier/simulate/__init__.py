"""Meters that are not there: households, the meters that count them, and lines to them that behave like real ones."""
