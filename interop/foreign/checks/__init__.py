"""What a gossip peer must do, seen by a peer that is not Selvedge."""
