"""A statement of DuckDB that a signal meets: inside of the library, and nowhere else."""

from __future__ import annotations

import os
import sys
import threading
import time

from daeda.sql.locked import connect

# It would take hours, and calls the function once, at its begin.
_STATEMENT = "SELECT count(*) FROM (SELECT begun() AS one) AS o, range(10_000_000_000_000) AS r WHERE hash(range) = one"


def execute_and_be_sent(number: int, *, of_a_command: bool = True) -> None:
    """Execute a statement that would take hours, and send this process the signal meanwhile.

    The one who sends looks on until no line of Python is at work in the main thread any more: only the statement is.
    """
    main = threading.main_thread().ident
    at_work = threading.Event()

    def begun() -> int:
        at_work.set()
        return 1

    def send() -> None:
        at_work.wait()
        while sys._current_frames()[main or 0].f_code is not execute_and_be_sent.__code__:
            time.sleep(0.001)
        os.kill(os.getpid(), number)

    with connect(None, {"threads": 1}) as connection:
        connection.create_function("begun", begun, [], "BIGINT", side_effects=True)
        sender = threading.Thread(target=send)
        sender.start()
        try:
            connection.execute(_STATEMENT)
        finally:
            sender.join()
            if not of_a_command:
                # The statement is still at work behind its error, and whoever closes the connection waits for its end.
                connection.interrupt()
