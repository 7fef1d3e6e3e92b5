"""fastpysgi without the argparse of its own command line: run_fastpysgi.py PORT CALLABLE"""

import sys

import fastpysgi
import hello

fastpysgi.run(getattr(hello, sys.argv[2]), "127.0.0.1", int(sys.argv[1]))
