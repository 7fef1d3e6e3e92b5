"""A worker from fork to exit: it confines itself, loads the application, serves, drains, ends."""
