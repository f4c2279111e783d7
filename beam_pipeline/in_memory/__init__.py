"""Days of a service executed in this process: Arrow tables come out, and nothing is published."""
