"""What pages show, as plain values: counted, named and explained here, looked up through the gate, and laid out elsewhere.

A view is a frozen value that knows nothing of a browser. What takes long to count is counted beside the pages (``kept.py``), so
that whoever looks neither waits nor slows a night down.
"""
