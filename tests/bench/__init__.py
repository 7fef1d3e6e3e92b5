"""Fapws beside its peers: speed and memory, measured in one run on one machine.

Run from the top of the tree: `make bench`, or for a quick look
`make bench ONLY=hello PEERS=bjoern,nginx ROUNDS=3 SECONDS=1`. docs/performance.md says what is measured.

    __main__.py   the command line; the order of the steps
    tools.py      which programs and headers are missing, and the command that installs them
    install.py    the venvs of the bench, the peers from PyPI, fapws as a wheel of this tree, load.c, floor.c
    network.py    a network namespace with a congestion control that is the same everywhere
    peers.py      how each server is started: one recipe a server
    workloads.py  what is asked of the servers: one row a workload
    plan.py       how long the rounds may be, so that a run ends in time
    server.py     one running server: start, probe, stop
    proc.py       CPU time, memory and children of a process
    clients.py    wrk, ab and load.c: their command lines and what their output says
    load.c        the client for what wrk and ab cannot do
    floor.c       no server: the least that one in CPython can cost
    measure.py    rounds, interleaved
    memory.py     PSS at rest, after 1,000 connections, with 10,000 idle ones
    startup.py    from exec to the first answer, fapwsctl start to READY, imports
    syscalls.py   system calls per request, by strace
    fair.py       two workers: which gets the connections, which is woken in vain
    crowd.py      the longest wait while 10,000 idle connections close
    targets.py    what fapws has set itself, and whether it is met
    results.py    medians, ratios and verdicts: the JSON that all reports are made of
    text.py, markdown.py, plot.py   the reports: terminal, README and docs, SVG
    apps/, lua/   the WSGI applications that every server runs; scripts for wrk
"""
