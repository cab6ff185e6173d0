"""What happens without anybody asking: alarms, events of AWS, the sweep, the daily upkeep."""
