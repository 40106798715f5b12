"""The DLMS/COSEM protocol as pure functions and machines: bytes and ``now`` in; events, bytes and a deadline out.

Nothing in here opens a socket, reads a clock or draws a random number. Both roles, client and server, share every table.
"""
