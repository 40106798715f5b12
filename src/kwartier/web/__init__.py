"""The HTTP API and the pages of the console: thin, over the same services as the commands, and behind the same gate.

``app.py`` puts everything together. Whoever adds a route or a page reads ``docs/web.md``: what each of these modules gives,
and what a page may count on. Nothing here opens a file of the store, a table of the database or a key.
"""
