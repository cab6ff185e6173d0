"""A run, from its submit to its end: ``submit.py``, ``admit.py``, ``launch.py``, ``finish.py``; and what ends it otherwise."""
