"""The two commands, fapws and fapwsctl, and how fapwsctl finds a server and asks it."""
