"""Use cases. They see domain, manifest and ports; adapters are handed to them."""
