"""What an installation tells of itself: printed from the tables that it works by."""
