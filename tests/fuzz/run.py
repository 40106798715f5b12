"""One fuzz target under atheris: ``python -m tests.fuzz.run fuzz_axdr -runs=5000 -seed=1``.

Coverage of our own modules steers it. Any exception that a target lets through is a finding, and ends it with an exit code.
"""

import importlib
import sys

import atheris


def main() -> None:
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["kwartier"]):
        target = importlib.import_module(f"tests.fuzz.{name}")
    atheris.Setup([sys.argv[0], *options], target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
