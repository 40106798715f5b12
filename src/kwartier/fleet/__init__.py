"""The registry: connections, their meters, and the record of every visit."""
