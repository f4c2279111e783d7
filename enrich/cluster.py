"""Ray, started quietly within the envelope, and the stream of parts through its actors."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
import ray._private.utils
import ray._private.worker
import ray.data
import ray.exceptions

from daeda.errors import DaedaError, DayError, first_line
from enrich.actors import SLOT, PartWorker, pack
from enrich.address import probe_address, unreachable
from enrich.board import Board, References
from enrich.envelope import Envelope, on_cluster
from enrich.part import PartTask, Receipt
from enrich.store import VectorSource
from enrich.watch import POLL_SECONDS, Watch

# A worker that was killed from outside is replaced; one that dies over and over ends the day. Ray Data's own default
# is to go on for ever.
MAX_RESTARTS = 2
MAX_TASK_RETRIES = 2
# Ray waits half a minute for what it starts.
STARTS = 3
_NOT_UP = "timed out during startup"
# Actors that still write stop within this time when their stream is closed and Ray lives on.
CLOSE_SECONDS = 10.0
# ray_constants.DEFAULT_MIN_SYSTEM_RESERVED_MEMORY_BYTES.
LEAST_RESERVED_BYTES = 500 * 1024**2

_LOST = (
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.RayActorError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.ObjectStoreFullError,
    ray.exceptions.OutOfDiskError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
)


@contextlib.contextmanager
def ray_session(envelope: Envelope, address: str | None = None) -> Iterator[Envelope]:
    """Ray within the envelope while the block runs; a cluster at `address`, host:port, is joined, and left as it is.

    Gives the envelope, with the CPUs of the cluster. A Ray that this process uses already is used, and left. InputError
    when there is no cluster at the address.

    Only in the main thread: the kernel ends Ray's processes together with the thread that started them.
    """
    if ray.is_initialized():
        yield envelope if address is None else on_cluster(envelope, _cluster_cpus())
        return
    try:
        if address is None:
            _start(envelope)
        else:
            _join(address)
            envelope = on_cluster(envelope, _cluster_cpus())
        # Ray tells of dead workers on stdout, in a thread of its own; stdout is for the result of a command.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            yield envelope
    finally:
        # Of a cluster that was joined, only this process takes its leave.
        ray.shutdown()


class PartStream:
    """The parts of a run, enriched in order by one pool of actors, while the vectors of its days are posted.

    `tasks` holds the parts of each day, at least one, in the order of the days.
    """

    def __init__(self, tasks: Mapping[str, Sequence[PartTask]], envelope: Envelope) -> None:
        # No day has a use for more actors than it has parts.
        turns = max(1, min(envelope.actors, max(map(len, tasks.values()))))
        days = [(day, [pack(task) for task in parts]) for day, parts in tasks.items()]
        self._board: Any = ray.remote(Board).options(num_cpus=0).remote(days, turns)
        self._dataset = _dataset(turns * len(tasks), turns, envelope, self._board)
        self._thread = threading.Thread(target=self._run, daemon=True, name="parts")
        self._failure: BaseException | None = None
        self._taken = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An actor that waits for a day that does not come is told so by the end of the board.
        ray.kill(self._board)
        self._thread.join(CLOSE_SECONDS)

    def put(self, sources: Mapping[str, VectorSource]) -> References:
        """Move the vectors of a day to the object store, once."""
        try:
            return {name: ray.put(source) for name, source in sources.items()}
        except Exception as error:
            raise told(error) from error

    def post(self, day: str, references: References) -> None:
        """Let the parts of a day begin."""
        try:
            ray.get(self._board.post.remote(day, references))
        except Exception as error:
            raise told(error) from error

    def wait_for_actors(self, watch: Watch) -> None:
        """Return when an actor has come for its first part: what passed until then is start-up, and of no day."""
        begun = self._board.begun.remote()
        # A stream that has ended has an error to tell, instead of its next receipt.
        while self._thread.is_alive() and not ray.wait([begun], timeout=POLL_SECONDS)[0]:
            _check_node()
            watch.check()

    def next_receipt(self, watch: Watch) -> Receipt:
        """The next receipt, of any part of the day; raises what went wrong as a DaedaError."""
        wanted = self._board.receipt.remote(self._taken)
        ready: list[Any] = []
        while not ready:
            watch.check()
            _check_node()
            ready, _ = ray.wait([wanted], timeout=POLL_SECONDS)
            if not ready and self._failure is not None:
                raise told(self._failure) from self._failure
        self._taken += 1
        try:
            found = pickle.loads(ray.get(wanted))
        except Exception as error:
            raise told(error) from error
        if isinstance(found, Receipt):
            return found
        raise told(found) from found

    def _run(self) -> None:
        try:
            # The results are at the board; without prefetching, no turn is held back until a later one.
            for _turn in self._dataset.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again where the receipts are waited for
            self._failure = error


def _check_node() -> None:
    """Raise DayError when a process of the node that this one started has ended.

    Without its metadata Ray ends this process too, some time later and without a word.
    """
    node: Any = ray._private.worker._global_node
    for kind, process in node.dead_processes() if node is not None and node.head else ():
        raise DayError(
            f"Ray's {kind} ended with {process.returncode}: days that were published stay, run again to go on"
        )


def told(error: BaseException) -> DaedaError:
    """The error as one sentence: a DaedaError of a part as it is, the loss of an actor with what to change."""
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    if isinstance(cause, DaedaError):
        return cause
    if isinstance(cause, _LOST):
        return DayError(
            f"an actor was lost or ran out of memory ({type(cause).__name__}); lower enrich_batch_rows, "
            "give fewer CPUs (--ray-num-cpus), or more memory"
        )
    # Ray Data adds its advice in lines of its own.
    reason = str(cause).partition("\nFailed to apply UDF transform")[0]
    return DayError(f"the enrichment failed: {type(cause).__name__}: {reason}")


def _start(envelope: Envelope) -> None:
    """Start Ray; on a machine that is too busy it gives up on itself, and is asked again. DayError when it does not."""
    for left in reversed(range(STARTS)):
        try:
            _init(
                address="local",
                num_cpus=envelope.cpus,
                object_store_memory=envelope.object_store_bytes,
                include_dashboard=False,
                **_isolation(envelope),
            )
            return
        except Exception as error:
            # Ray has no class for it. What it had started is ended, and nothing of it is left to find.
            ray.shutdown()
            if _NOT_UP not in str(error):
                raise
            if not left:
                raise DayError(
                    f"Ray did not start within its time, {STARTS} times: the machine is too busy for it now; run again"
                ) from error


def _join(address: str) -> None:
    """Become a driver of a running cluster; InputError when that cannot be."""
    probe_address(address)
    try:
        _init(address=address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise unreachable(address, first_line(error)) from error


def _cluster_cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 1))


def _init(**options: Any) -> None:
    # Ray's C++ side writes on stderr past Python, among it a warning for every actor that can be restarted.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with _native_stderr_closed(), _own_sigterm(), warnings.catch_warnings():
        # Ray forks and at once executes another program; no thread of Lance is missed there.
        warnings.filterwarnings("ignore", message="lance is not fork-safe", category=UserWarning)
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray sets no handler of SIGTERM while the block runs. Its own ends the process in the middle of the start, and
    leaves behind for a minute what had been started.
    """
    original = ray._private.utils.set_sigterm_handler
    ray._private.utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        ray._private.utils.set_sigterm_handler = original


def _isolation(envelope: Envelope) -> dict[str, Any]:
    """Resource isolation where it can work and the reserve is one that Ray accepts: it refuses to start otherwise."""
    cpus = envelope.cpus - envelope.worker_cpus
    if not envelope.isolation or cpus < 1 or envelope.reserved_memory_bytes < LEAST_RESERVED_BYTES:
        return {}
    return {
        "enable_resource_isolation": True,
        "system_reserved_cpu": float(cpus),
        "system_reserved_memory": envelope.reserved_memory_bytes,
    }


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """What writes to descriptor 2 writes to nowhere while the block runs: Ray announces there that it is silent."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _dataset(slots: int, actors: int, envelope: Envelope, board: Any) -> Any:
    """The lazy Ray Data job: one block, one batch and one actor call for each turn."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), ray.data.DataContext.current(_context()):
        # Ray 2.60 announces the end of the only way to bound restarts.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated", category=DeprecationWarning)
        rows = ray.data.from_items([{SLOT: slot} for slot in range(slots)], override_num_blocks=slots)
        return rows.map_batches(
            PartWorker,
            # One slot at a time: the slot of an actor that died must not queue behind one of a later day.
            compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
            batch_size=1,
            batch_format="numpy",
            num_cpus=min(1.0, envelope.worker_cpus / actors),
            fn_constructor_kwargs={"board": board},
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_TASK_RETRIES,
        )


def _context() -> ray.data.DataContext:
    """How Ray Data runs the job; what else runs in this process keeps its own context."""
    with warnings.catch_warnings():
        # A copy sets the options that are deprecated too.
        warnings.simplefilter("ignore", DeprecationWarning)
        context = ray.data.DataContext.get_current().copy()
    # In the order of the slots, one would wait behind a slot that runs later.
    context.execution_options.preserve_order = False
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.use_datasource_v2 = False
    context.raise_original_map_exception = True
    # The watch of the day decides; Ray Data would end a part, or a wait for vectors, after half an hour.
    context.execution_no_progress_timeout_s = -1
    return context
