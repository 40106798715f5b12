"""The audit log: tree, files, signatures, proofs, witness."""
