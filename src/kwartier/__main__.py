"""``python -m kwartier``: the same as the command."""

from kwartier.cli import main

if __name__ == "__main__":
    main()
