"""The decision core under random sequences of events, by concern."""
