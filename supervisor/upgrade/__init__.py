"""The upgrade in place: the new code is tried, takes everything over, and lands."""
