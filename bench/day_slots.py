"""What days that wait for a slot cost the file system: files of the run that a second of waiting opens.

    python -m bench.day_slots              appended to bench/results/day_slots.json as "waiting in the kernel"
    python -m bench.day_slots --of DIR --as "each tries all slots"      the same with the code of another checkout

All slots are held. The days wait in as many threads, of one process or of four.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from bench.machine import describe_machine
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging

REPOSITORY = Path(__file__).parents[1]
RESULT = REPOSITORY / "bench" / "results" / "day_slots.json"
SECONDS = 3
# Slots, processes, and days that wait in each.
CASES = ((2, 1, 1), (10, 1, 10), (100, 1, 1), (100, 1, 100), (100, 4, 25))
_WAITING = """
import datetime as dt, json, os, sys, threading, time
from pathlib import Path
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
run, slots, days, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
opened = [0]
def count(event, arguments):
    opened[0] += event == "open" and str(arguments[0]).startswith(run)
shared = SharedDaySlots(Path(run), slots)
for number in range(days):
    enter = lambda number=number: shared.enter(dt.date(2024, 1, 1), str(number), lambda: None)
    threading.Thread(target=enter, daemon=True).start()
time.sleep(1)
sys.addaudithook(count)
began, cpu = time.monotonic(), time.process_time()
time.sleep(seconds)
print(json.dumps([opened[0] / (time.monotonic() - began), time.process_time() - cpu]), flush=True)
sys.stdin.read()
os._exit(0)
"""


def main() -> int:
    """Measure every case and record it."""
    parser = argparse.ArgumentParser(prog="python -m bench.day_slots", description="What waiting days cost.")
    parser.add_argument("--of", type=Path, default=REPOSITORY, help="checkout whose code waits")
    parser.add_argument("--as", dest="name", default="waiting in the kernel", help="name of the way of waiting")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    measured = [_measure(given.of, *case) for case in CASES]
    document = json.loads(given.result.read_text()) if given.result.exists() else {"ways": {}}
    document["ways"][given.name] = {"cases": measured, "seconds": SECONDS}
    document["machine"] = describe_machine()
    given.result.write_text(json.dumps(document, indent=1) + "\n")
    for case in measured:
        print(case)
    return 0


def _measure(checkout: Path, slots: int, processes: int, days: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as root, open_staging(Layout(Path(root) / "service")) as staging:
        held = SharedDaySlots(staging.directory, slots).open()
        for number in range(slots):
            held.enter(dt.date(2024, 1, 1), str(number), lambda: None)
        words = [sys.executable, "-c", _WAITING, str(staging.directory), str(slots), str(days), str(SECONDS)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        waiting = [subprocess.Popen(words, cwd=checkout, text=True, **pipes) for _ in range(processes)]  # type: ignore[call-overload]
        told = [json.loads(process.stdout.readline()) for process in waiting]
        for process in waiting:
            process.communicate()
        for number in range(slots):
            held.leave(str(number))
    opened, cpu = (sum(one) for one in zip(*told, strict=True))
    return {
        "slots": slots, "processes": processes, "waiting_days": processes * days,
        "opens_per_second": round(opened, 1), "cpu_per_second": round(cpu / SECONDS, 3),
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
