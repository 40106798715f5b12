"""``kwartier init``: make an installation."""

from kwartier.cli.options import HomeOption, home_folder, say


def init(home: HomeOption = None) -> None:
    """Make the home folder, its master key, settings and database. Asks nothing; running it again changes nothing."""
    from kwartier.service.home import create_home

    path = home_folder(home)
    made = create_home(path)
    say(f"{path}: made {', '.join(made)}" if made else f"{path}: everything is there already")
