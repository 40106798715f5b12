"""What pages show, as values: counted, named and explained here, and laid out elsewhere.

A view is a frozen value that knows nothing of a browser, and :func:`~kwartier.service.views.fields.fields` makes JSON of it.
What takes long to count is counted beside the pages (``kept.py``), so that whoever looks neither waits nor slows a night down.
"""
