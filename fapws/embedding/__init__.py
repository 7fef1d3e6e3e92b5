"""Serving an application that a program holds already: run(), and what other programs call it by.

Neither a master nor a worker of ``fapws`` or ``fapwsctl`` imports any of this.
"""
