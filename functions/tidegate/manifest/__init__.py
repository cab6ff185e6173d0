"""Definitions as a plain, versioned, hashed document: all that the control plane knows of user code."""
