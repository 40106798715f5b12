"""What goes to the market and what comes back: versions as messages, whose parties have codes, by an outbox and an inbox."""
