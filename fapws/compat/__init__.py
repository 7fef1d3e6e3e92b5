"""What programs with PATHS or fapws._evwsgi need and a plain WSGI application does not even import."""
