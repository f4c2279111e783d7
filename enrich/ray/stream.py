"""The stream of parts through Ray's actors."""

from __future__ import annotations

import contextlib
import logging
import pickle
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
import ray.data
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from daeda.errors import DaedaError, DayError
from enrich.part.task import PartTask, Receipt
from enrich.ray.actor_watch import ActorWatch
from enrich.ray.actors import POSITION, PartResult, PartWorker, Unforeseen
from enrich.ray.cluster import check_cluster, check_head
from enrich.ray.data_actors import no_data_actors, own_data_actors
from enrich.ray.endings import ActorsLost, actors_lost
from enrich.ray.fitness import Fitness
from enrich.ray.limits import RayLimits
from enrich.ray.own_ray import RayLost, check_node, with_logs
from enrich.ray.part_queue import Deadly, PartQueue, References
from enrich.ray.time_limits import POLL_SECONDS, TimeLimit
from enrich.store.vectors import VectorSource

# Ray asks again as long as it takes: that a node is lost is known to it after many seconds only. What bounds it is the
# queue, which counts the deaths under each part, the watch over the actors, and the time limit of the day.
FOR_EVER = -1
# Actors that still write stop within this time when their stream is closed and Ray lives on.
CLOSE_SECONDS = 10.0
# So long after something of Ray has failed it is seen whether that was the end of its servers.
LOSS_SECONDS = 2.0

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
def _explained() -> Iterator[None]:
    """What the block raises becomes a DaedaError."""
    try:
        yield
    except Exception as error:
        cause = explained(error)
        if cause is not error or isinstance(cause, ActorsLost):
            # Without its servers everything fails somehow.
            _check_servers()
        raise cause from error


def _check_servers() -> None:
    """Raise RayLost when servers of Ray are gone, or are a little later: actors that they take along may go first."""
    until = time.monotonic() + LOSS_SECONDS
    while True:
        check_node()
        check_cluster()
        check_head()
        if time.monotonic() >= until:
            return
        time.sleep(POLL_SECONDS)


class PartStream:
    """The parts of a run, enriched in order by one pool of actors, while the vectors of its days are posted.

    `tasks` holds the parts of each day, at least one, in the order of the days.
    """

    def __init__(self, tasks: Mapping[str, Sequence[PartTask]], limits: RayLimits, fitness: Fitness) -> None:
        # No day has a use for more actors than it has parts.
        actors = self.actors = max(1, min(limits.all_actors, max(map(len, tasks.values()))))
        days = [(day, [pickle.dumps(task) for task in parts]) for day, parts in tasks.items()]
        self._queue: Any = _queue(days, actors, limits)
        self._dataset = _dataset(actors, limits, self._queue, fitness)
        self._watch = ActorWatch(self._queue, actors, self._fail)
        self._thread = threading.Thread(target=self._run, daemon=True, name="parts")
        self._on_cluster = bool(limits.nodes)
        self._failure: BaseException | None = None
        self._received = dict.fromkeys(tasks, 0)

    def __enter__(self) -> Self:
        self._thread.start()
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.stop()
        if kind is not None and issubclass(kind, RayLost):
            return
        if kind is None:
            # The answer to the last question of each actor is that all parts are done; without it Ray would tell of
            # questions that a queue which is gone has left open.
            self._thread.join(CLOSE_SECONDS)
        # The end of the queue ends the wait of an actor for a day that does not come.
        ray.kill(self._queue)
        self._thread.join(CLOSE_SECONDS)

    def put(self, sources: Mapping[str, VectorSource]) -> References:
        """Put the vectors of a day where all actors have them: those that the processes of this host map as what says
        where they lie, others into the object store, once.
        """
        with _explained():
            return {name: ray.put(source) for name, source in sources.items()}

    def post(self, day: str, references: References, tasks: Sequence[PartTask]) -> None:
        """Let the parts of a day begin, which are `tasks` by now."""
        with _explained():
            ray.get(self._queue.post.remote(day, references, [pickle.dumps(task) for task in tasks]))

    def wait_for_actors(self, time_limit: TimeLimit) -> None:
        """Return when an actor has come for its first part: what passed until then is start-up, and of no day. DayError
        with Ray's logs when none has come in time.
        """
        begun = self._queue.begun.remote()
        # A stream that has ended has an error to tell, instead of its next receipt.
        while self._thread.is_alive() and self._failure is None and not ray.wait([begun], timeout=POLL_SECONDS)[0]:
            check_node()
            check_cluster()
            try:
                time_limit.check()
            except DayError as error:
                raise DayError(with_logs(f"none of Ray's actors has begun: {error}")) from error

    def next_receipt(self, day: str, time_limit: TimeLimit) -> Receipt:
        """The next receipt, of any part of the day; raises what went wrong as a DaedaError."""
        wanted = self._queue.receipt.remote(day, self._received[day])
        ready: list[Any] = []
        while not ready:
            time_limit.check()
            check_node()
            check_cluster()
            with _explained():
                ready, _ = ray.wait([wanted], timeout=POLL_SECONDS)
                if not ready and self._failure is not None:
                    raise self._failure
        self._received[day] += 1
        with _explained():
            found: bytes | Deadly = ray.get(wanted)
            if isinstance(found, Deadly):
                part = Path(pickle.loads(found.task).output).name
                raise ActorsLost(with_logs(actors_lost(f"{part}, {found.deaths} times")))
            result: PartResult = pickle.loads(found)
            if isinstance(result, Unforeseen):
                raise DayError(with_logs(result.sentence))
            if isinstance(result, DaedaError):
                raise result
        return result

    def _run(self) -> None:
        try:
            # The results are in the queue.
            with own_data_actors() if self._on_cluster else no_data_actors():
                for _input in self._dataset.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
                    pass
        except BaseException as error:  # noqa: BLE001 - raised again where the receipts are waited for
            self._fail(error)

    def _fail(self, failure: BaseException) -> None:
        """The first failure counts: others follow it."""
        if self._failure is None:
            self._failure = failure


def explained(error: BaseException) -> DaedaError:
    """The error as one sentence: a DaedaError of a part as it is, the loss of an actor with what to change."""
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    if isinstance(cause, DaedaError):
        return cause
    if isinstance(cause, _LOST):
        return ActorsLost(with_logs(actors_lost(type(cause).__name__)))
    # Ray Data adds its advice in lines of its own.
    reason = str(cause).partition("\nFailed to apply UDF transform")[0]
    return DayError(with_logs(f"the enrichment failed: {type(cause).__name__}: {reason}"))


def _queue(days: list[tuple[str, list[bytes]]], actors: int, limits: RayLimits) -> Any:
    """The queue, on this node: whatever becomes of others, it stays. An actor waits there in a call of its own, beside
    the calls of the driver.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "scheduling_strategy": here, "max_task_retries": FOR_EVER}
    most = limits.actors if limits.nodes else actors
    return ray.remote(PartQueue).options(max_concurrency=1000 + 2 * actors, **options).remote(days, limits.nodes, most)


def _dataset(actors: int, limits: RayLimits, queue: Any, fitness: Fitness) -> Any:
    """The lazy Ray Data job: one block, one batch and one actor call for each actor."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), ray.data.DataContext.current(_context()):
        # Ray 2.60 announces the end of the only way to bound restarts.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated", category=DeprecationWarning)
        rows = ray.data.from_items([{POSITION: position} for position in range(actors)], override_num_blocks=actors)
        return rows.map_batches(
            PartWorker,
            # One position at a time: it holds its actor for the whole run.
            compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
            batch_size=1,
            batch_format="numpy",
            num_cpus=limits.actor_cpus,
            fn_constructor_kwargs={"queue": queue, "fitness": fitness},
            max_restarts=FOR_EVER,
            max_task_retries=FOR_EVER,
        )


def _context() -> ray.data.DataContext:
    """How Ray Data runs the job; what else runs in this process keeps its own context."""
    with warnings.catch_warnings():
        # A copy sets the options that are deprecated too.
        warnings.simplefilter("ignore", DeprecationWarning)
        context = ray.data.DataContext.get_current().copy()
    context.execution_options.preserve_order = False
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.use_datasource_v2 = False
    context.raise_original_map_exception = True
    # The time limit of the day decides; Ray Data would end a part, or a wait for vectors, after half an hour.
    context.execution_no_progress_timeout_s = -1
    return context
