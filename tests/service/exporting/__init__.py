"""What goes to the market and what comes back."""
