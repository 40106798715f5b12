"""A target that fails on everything, so that it is seen that failing is noticed."""


def one(data: bytes) -> None:
    raise ValueError(f"{len(data)} bytes")
