"""Amazon States Language: the part our state machines use, as pure functions on JSON."""
