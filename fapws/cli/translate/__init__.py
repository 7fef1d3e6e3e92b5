"""``fapwsctl translate``: the configuration of another server as an INI file for Fapws.

Each server has a file with a table of all its settings (gunicorn.py, uwsgi.py, unit.py), from which docs/ has
its tables too. Only that command imports any of this.
"""
