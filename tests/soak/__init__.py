"""Long runs: many mixed requests, and what they cost in memory."""
