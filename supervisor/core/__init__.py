"""What the master decides: pure functions from (state, event, time) to (state, actions). No I/O."""
