"""A gossip peer on Python's grpcio, the official protobuf bindings and `cryptography`. Shares no code with Selvedge."""
