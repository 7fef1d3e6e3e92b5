"""Limits of the C core. tools/core_limits.py makes this module from csrc/fapws.h."""

REQUEST_LINE = 128
"""bytes of a request line in the scoreboard, with the NUL"""
FIELDS_MAX = 256
"""the most that max_headers may be"""
LISTENERS_MAX = 64
"""listening sockets of one worker"""
TRUSTED_MAX = 64
"""networks that may send PROXY headers"""
ACCESS_PARTS_MAX = 128
"""parts of an access log's format"""
ACCESS_FIELDS_MAX = 32
"""header fields among them"""
