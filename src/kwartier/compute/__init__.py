"""One computation over many pieces of a table, on threads of this host or on a cluster."""
