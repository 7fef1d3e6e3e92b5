"""bjoern has no command line: run_bjoern.py PORT CALLABLE"""

import sys

import bjoern
import hello

bjoern.run(getattr(hello, sys.argv[2]), "127.0.0.1", int(sys.argv[1]))
