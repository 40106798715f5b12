"""Who does things in tests: somebody with every role that a home gives its owner."""

from kwartier.who.actor import Actor
from kwartier.who.roles import roles

TESTER = Actor(name="os:test", roles=frozenset(name for name, role in roles().items() if not role.self), via="os")
