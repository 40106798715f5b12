"""Configuration and wiring: what turns a home folder into a running installation."""
