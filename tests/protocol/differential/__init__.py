"""Our parser against llhttp and h11: see test_differential.py."""
