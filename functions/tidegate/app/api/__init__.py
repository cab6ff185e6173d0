"""What the API answers: ``actions.py`` first."""
