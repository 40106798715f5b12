# A foreign oracle of the tests that carries no types: whatever is taken from it is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
