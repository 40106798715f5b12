"""Side by side with other clients: what one whole session with a meter costs the side that reads."""
