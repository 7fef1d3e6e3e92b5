"""What programs for fapws3 and fapws4 bring along from here: nothing of the server needs this folder.

Each module stands alone and works under any WSGI server; importing the package imports none of them.
"""
