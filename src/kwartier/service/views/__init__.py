"""What the pages show, as plain values: looked up through the gate, put in order, and with nothing of HTML in it."""
