"""The job in Ray: its session, limits, actors, the queue of parts, and the supervisor outside of it."""
