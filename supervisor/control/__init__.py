"""The control socket: which users may use it, the conversations on it, the commands, the status."""
