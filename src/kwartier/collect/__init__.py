"""The only place that waits: lines to meters, visits, and what carries them out by the thousand."""
