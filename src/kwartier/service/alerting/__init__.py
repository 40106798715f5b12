"""What somebody has to know of a night, and what somebody has to do after it: conditions, alerts, and the work list."""
