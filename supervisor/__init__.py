"""The master: binds the sockets, forks the workers, replaces those that die, reloads, stops.

Reading order: core/worker_states.py (what a worker can be), core/children.py (the register),
core/events.py and core/actions.py (what happens, what is to be done), core/decide.py (the one from the
other; pure), master.py (the loop that acts). The other folders each own one thing of the operating system.
"""
