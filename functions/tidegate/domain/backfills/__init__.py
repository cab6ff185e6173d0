"""What a backfill is, and how it is planned."""
