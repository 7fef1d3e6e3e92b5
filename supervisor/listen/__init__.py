"""Listening sockets: binding one, and the register of all."""
