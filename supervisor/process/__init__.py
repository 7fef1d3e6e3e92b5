"""Processes: forking, signalling and reaping workers, what they count, the master's own marks."""
