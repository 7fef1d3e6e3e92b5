"""What the master tells over the network about itself: to probes, to Prometheus, to balancers, to people.

Nothing here is imported before the configuration asks for it (supervisor/monitoring.py).
"""
