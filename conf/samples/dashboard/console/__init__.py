"""The parts of dashboard.py, in reading order: settings; with_psutil, without_psutil and measure read the
machine; history keeps samples; processes, ourselves and watcher gather; verdict judges; units, chart and
page show.
"""
