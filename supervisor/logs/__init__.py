"""The error log, the access logs, syslog, and what workers print on its way to a log."""
