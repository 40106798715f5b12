"""Keys and what must never happen with them: sealed records, invocation counters, imports.

Importable by ``collect``, ``keys``, ``service`` and the command line only.
"""
