"""Who is asking: names for people and services, the proof of them, and which roles they have.

There are four ways to a name - the system's own users, OIDC tokens, certificates of services, local accounts of simulated
installations - and one table from names to roles. Nothing here knows a web server or a line.
"""
