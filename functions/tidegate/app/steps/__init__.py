"""A step, from its begin to its report: ``begin.py``, ``complete.py``, ``advance.py``."""
