"""Child processes of the gateway; docs/processes.md compares them."""
