"""Runs one step of user code and reports what it produced. Knows no DynamoDB."""
