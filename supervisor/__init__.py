"""The master: binds the sockets, forks the workers, replaces those that die, reloads, stops.

Reading order: states.py (what a worker can be), children.py (the register), events.py (what happens
and what is to be done), decide.py (one into the other; pure), master.py (the loop that acts). The
other modules each own one thing of the operating system.
"""
