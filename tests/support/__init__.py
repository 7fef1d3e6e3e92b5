"""What the tests share: a server in its own process, a raw client, a gate, the wire cases."""
