"""Every port in memory; ships in the test kit."""
