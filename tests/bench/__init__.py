"""Fapws beside its peers: speed and memory, measured in one run on one machine.

Run from the top of the tree: `make bench`, or for a quick look
`python3 -m tests.bench --only hello --peers bjoern,nginx --rounds 3 --seconds 1`.

    __main__.py   what to measure, from the command line or the environment; the order of the steps
    tools.py      which programs and headers are missing, and the command that installs them
    install.py    the venv of the bench, the peers from PyPI, fapws as a wheel of this tree
    peers.py      how each server is started: one recipe a server
    server.py     one running server: start, probe, stop
    proc.py       CPU time, memory and children of a process, read from /proc
    clients.py    wrk and ab: their command lines and what their output says
    workloads.py  what is asked of the servers: one row a workload
    measure.py    rounds, interleaved; memory at rest
    targets.py    what fapws has set itself, and whether it is met
    report.py     medians, ratios, the text and the JSON
    machine.py    the machine and the versions a figure belongs to
    apps/         the WSGI application that every server runs
"""
