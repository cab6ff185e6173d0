"""The control tables, defined once: pynamodb models, and one named function for each access pattern."""
