"""The WSGI layer (PEP 3333): requests of the C core become environ dicts, applications' responses go back.

Knows nothing of processes, configuration files or signals; see fapws.worker.life for those.
"""
