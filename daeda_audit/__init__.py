"""The independent slow path behind `daeda audit`: it shares no code with the compiler, the SQL or the executors."""
