"""``fapws init``: a configuration for an application, a unit or rc.d script, and the commands to type next.

Only that command imports any of this.
"""
