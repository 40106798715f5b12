"""Settlement at work: versions as they are kept, made again, and told."""
