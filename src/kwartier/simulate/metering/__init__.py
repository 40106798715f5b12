"""The metering module of a simulated meter: it measures, and can do nothing else.

It has no line, no key and no protocol: nothing in this package may import them, so that what a metering module cannot do is no
matter of a flag. A communication module stands before it and asks.
"""
