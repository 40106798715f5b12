"""An append-only log of what was done, which outsiders can check: a Merkle tree in plain files, signed and witnessed."""
