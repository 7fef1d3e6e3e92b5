"""Configuration: what can be set (options), how it is read (ini), what comes out (model)."""
