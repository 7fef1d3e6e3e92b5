"""The control socket: who may use it, the conversations on it, the commands, the status."""
