"""State machines, as deployed: one ASL file each."""
