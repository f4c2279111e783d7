"""DuckDB connections, locked down: they reach the paths that were declared, load nothing, and take no settings.

Every connection of the product is opened here. The text of users is parsed and limited before it gets near SQL; this is
the second wall behind that one, for a statement that should never have come about.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import duckdb
from sqlglot import exp

from daeda.errors import InputError
from daeda.installed import install_command
from daeda.process.interrupts import interrupted_by_signals
from daeda.sql.files import as_pattern
from daeda.storage.access import Access, find_access
from daeda.storage.location import is_object

Setting = str | bool | int | float | list[str]

_LOCKED_AT_CONNECT: Mapping[str, Setting] = {
    # An extension that is not there is an error, never a download; nor is a file loaded because a name matches it.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    # Secrets are given to the connection that needs them, and never looked for in a home directory.
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    # It makes an aggregate of the first row of a partition, and of NULL, 2.5, 0.0 takes 0.0 for the greatest (1.5.5).
    "disabled_optimizers": "top_n_window_elimination",
    # A failed statement shows its message alone, without a stack of DuckDB's.
    "errors_as_json": False,
}


# The retry policy of daeda's own client: six attempts, 0.2 s to 6.4 s apart; seconds without a byte.
_HTTP: Mapping[str, int] = {"http_retries": 5, "http_retry_wait_ms": 200, "http_retry_backoff": 2, "http_timeout": 30}


@dataclass(frozen=True)
class AllowedPaths:
    """What a connection reads and writes: files, and directories with all that is below them."""

    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, paths: Iterable[str | PurePath]) -> AllowedPaths:
        """Of files and directories, each once; no character of theirs is a wildcard.

        >>> AllowedPaths.of(["/data/likes", Path("/data/prices[1]"), "/data/likes"]).paths
        ('/data/likes', '/data/prices[1]')
        """
        return cls(tuple(dict.fromkeys(str(path) for path in paths)))


# What makes a connection ready, and says what it may reach.
Prepare = Callable[[duckdb.DuckDBPyConnection], AllowedPaths]


def connect(
    allowed: AllowedPaths | Prepare | None = None, config: Mapping[str, Setting] | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory database that reaches the allowed paths (none without `allowed`) and its own temp_directory.

    `allowed` may be a function instead, which gets the connection before it is locked.
    Statements that read, write or attach anything else, that load an extension or change a setting raise
    duckdb.PermissionException or duckdb.InvalidInputException.
    """
    kept = {name: value for name, value in _LOCKED_AT_CONNECT.items() if name not in _unlocked(config or {})}
    connection = duckdb.connect(":memory:", config={**(config or {}), **kept})
    interrupted_by_signals(connection)
    try:
        # A cursor of the connection has what is global, and else the zone of the host.
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        if callable(allowed):
            allowed = allowed(connection)
        elif allowed is not None and any(is_object(path) for path in allowed.paths):
            reach_object_storage(connection, find_access())
        _lock(connection, allowed or AllowedPaths())
    except BaseException:
        connection.close()
        raise
    return connection


def load_extension(connection: duckdb.DuckDBPyConnection, name: str, extra: str) -> None:
    """Load an extension from its package; raises InputError with the extra of daeda that installs it."""
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    home = Path(str(package.origin)).parent / "extensions" / f"v{duckdb.__version__}" if package else None
    if home is None or not home.is_dir():
        raise InputError(f"DuckDB {duckdb.__version__} needs its extension {name}: `{install_command(extra)}`")
    path = exp.Literal.string(str(home / f"{name}.duckdb_extension"))
    connection.execute(f"LOAD {path.sql('duckdb')}")


def reach_object_storage(connection: duckdb.DuckDBPyConnection, access: Access) -> None:
    """Give a connection httpfs and the access to object storage, which it keeps in memory and never shows."""
    load_extension(connection, "httpfs", "s3")
    options = {"KEY_ID": access.key_id, "SECRET": access.secret, "REGION": access.region}
    if access.token:
        options["SESSION_TOKEN"] = access.token
    if access.host:
        options |= {"ENDPOINT": access.host, "URL_STYLE": "path"}
    given = ", ".join(f"{name} {exp.Literal.string(value).sql('duckdb')}" for name, value in options.items())
    try:
        connection.execute(f"CREATE SECRET (TYPE s3, USE_SSL {access.secure}, {given})")
    except duckdb.Error as error:
        # The message may quote the statement.
        raise InputError(f"object storage: DuckDB refused the access ({type(error).__name__})") from None
    # Also for cursors, which read beside the connection.
    for setting, value in _HTTP.items():
        connection.execute(f"SET GLOBAL {setting} = {value}")


def _unlocked(config: Mapping[str, Setting]) -> tuple[str, ...]:
    """Extensions that attach databases look for secrets in a directory, and fail without: they get an empty one."""
    return ("allow_persistent_secrets",) if "secret_directory" in config else ()


def _lock(connection: duckdb.DuckDBPyConnection, allowed: AllowedPaths) -> None:
    # As literals: for a parameter DuckDB imports pandas, which takes longer than everything else here.
    # DuckDB looks for a file by the text that names it, which for a name with wildcards is a pattern of that one name.
    spellings = dict.fromkeys(text for path in allowed.paths for text in (path, as_pattern(path)))
    paths = exp.Array(expressions=[exp.Literal.string(text) for text in spellings]).sql("duckdb")
    # A path may be that of a file or a directory: DuckDB tells them apart by the list in which it finds them.
    connection.execute(f"SET allowed_directories = {paths}")
    connection.execute(f"SET allowed_paths = {paths}")
    # In this order: the lists cannot be changed once access is off, and nothing can once the configuration is locked.
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
