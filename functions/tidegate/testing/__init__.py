"""The public test kit: a whole deployment with a simulated clock."""
