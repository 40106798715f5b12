"""Pictures of what validation made: how complete a stretch of days is, and how a day went.

``coverage.py`` and ``day_curve.py`` count volumes and draw nothing. ``heat_map.py`` and ``curve.py`` draw what these counted,
in the inks of ``palette.py`` on the sheets of ``sheet.py``; ``forms.py`` makes PNG, SVG or a page of it. In a terminal
``kwartier.cli.pictures`` shows the same counts.
"""
