"""A demonstration: a living system on one machine, from nothing; what it shows, who may look, and how to break it."""
