"""The whole deployment in one process, on moto."""
