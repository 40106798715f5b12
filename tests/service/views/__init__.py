"""Views: what pages show."""
