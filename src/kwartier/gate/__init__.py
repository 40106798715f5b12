"""In front of reading data: whoever wants to see readings says for what, and it is written down first."""
