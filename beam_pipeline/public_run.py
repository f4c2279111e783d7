"""A run in a Beam pipeline of one's own: a directory to work in, the limits of a day, and days published whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from beam_pipeline.history.partition_cache import forget_mapped
from beam_pipeline.session.registry import abandon_days
from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.limits import STOP_SECONDS, limits_of_a_day
from beam_pipeline.workers.registry import forget_run, register_run, software
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging
from daeda.errors import DayError, InputError, shortened
from daeda.storage.location import below, parse_location


@contextmanager
def open_run(
    output_root: str | Path,
    service: str,
    *,
    data_root: str | Path = ".",
    source_directories: Sequence[str | Path] = (),
    staging_root: str | Path = "staging",
    day_workers: int = 1,
    memory_bytes: int | None = None,
    threads: int | None = None,
    temp_directory: str | Path = "",
    rows_per_part: int = 100_000,
    version: int = 1,
) -> Iterator[RunContext]:
    """What the PTransforms of a pipeline share; build and run the pipeline inside of the block.

    Days go to `<output_root>/<service>/skeleton/dt=YYYY-MM-DD/`, and those of a `version` N > 1 to
    `<output_root>/<service>/vN/skeleton/dt=YYYY-MM-DD/`. `data_root` is what relative paths of Scans lie below;
    what lies elsewhere can be read when `source_directories` names it. Each of them is a directory or an address like
    s3://bucket/path; where `output_root` is one, work in progress lies below the local `staging_root`.
    At most `day_workers` days are at work at once, whatever the runner; `memory_bytes` and `threads` are for all of
    them together (default: 60 % of the host's memory, and all of its cores). Intermediates that do not fit in memory
    spill to `temp_directory` (default: beside the output). When the block ends by an error, days at work are
    interrupted, and published days stay. Raises InputError when the output root cannot be written, and DayError when a
    chain of operators did not end with a Sink.
    """
    named = {"output_root": output_root, "staging_root": staging_root, "data_root": data_root}
    empty = [name for name, path in named.items() if not str(path).strip()]
    if empty:
        raise InputError(f"{', '.join(empty)} is empty: give a path, '.' for the working directory")
    layout = Layout(parse_location(_absolute(output_root)) / service, Path(staging_root).absolute() / service, version)
    with open_staging(layout) as staging:
        context = RunContext(
            service=service,
            data_root=_absolute(data_root),
            service_dir=str(layout.service_dir),
            version=version,
            run_dir=str(staging.directory),
            limits=limits_of_a_day(
                day_workers, memory_bytes, threads, str(Path(temp_directory).absolute()) if temp_directory else ""
            ),
            day_workers=day_workers,
            rows_per_part=rows_per_part,
            software=software(),
            sources=tuple(_absolute(directory) for directory in (data_root, *source_directories)),
        )
        slots = SharedDaySlots(staging.directory, day_workers).open()
        register_run(context, slots)
        left: tuple[dt.date, ...] = ()
        try:
            yield context
        except BaseException as error:
            slots.stop(error)
            raise
        finally:
            # Days may still write in threads and processes of the runner: the run's directory outlives them.
            left = abandon_days(context, STOP_SECONDS)
            slots.wait_until_empty(STOP_SECONDS)
            forget_run(context)
            forget_mapped(context.run_dir)
        if left:
            raise DayError(f"{shortened(left)}: not written: let the chain of operators end with a Sink")


def _absolute(path: str | Path) -> str:
    return below(str(Path.cwd()), str(path))
