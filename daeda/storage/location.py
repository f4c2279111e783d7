"""A location is a local path or an address of object storage; both are joined with `/` and shown with `str`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daeda.errors import ConfigurationError

SCHEME = "s3://"


@dataclass(frozen=True, order=True)
class ObjectPath:
    """`s3://bucket/key`; the key is empty for the bucket itself, and never ends with a slash."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.bucket, f"{self.key}/{name}" if self.key else name)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> ObjectPath:
        """What the last part of the key lies in."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    @property
    def prefix(self) -> str:
        """What the keys of everything below begin with."""
        return f"{self.key}/" if self.key else ""


Location = Path | ObjectPath


def is_object(path: str) -> bool:
    """Whether a path of YAML or of a flag is an address of object storage."""
    return path.startswith(SCHEME)


def object_path(path: str) -> ObjectPath:
    """The address of `s3://bucket/key`; raises ConfigurationError for what is none.

    >>> object_path("s3://lake/events//dt=2024-01-01/")
    ObjectPath(bucket='lake', key='events/dt=2024-01-01')
    """
    bucket, _, key = path.removeprefix(SCHEME).partition("/")
    parts = [part for part in key.split("/") if part]
    # Some servers follow dots, and others take them for a name.
    if not is_object(path) or not bucket or set(bucket) & set("?#@:[]*") or {".", ".."} & set(parts):
        raise ConfigurationError(f"'{path}' is not an address of object storage: write s3://bucket/path")
    return ObjectPath(bucket, "/".join(parts))


def below(root: str, path: str) -> str:
    """A path, relative to a root unless it is absolute or an address itself.

    >>> below("s3://lake/features", "likes"), below("/project", "/data/likes"), below("/project", "s3://lake/likes")
    ('s3://lake/features/likes', '/data/likes', 's3://lake/likes')
    """
    if "://" in path or Path(path).is_absolute():
        return path
    return f"{root.rstrip('/')}/{path}".rstrip("/") if is_object(root) else str(Path(root) / path)


def parse_location(path: str) -> Location:
    """The location that a path names: an address of object storage, or a local path as it is."""
    return object_path(path) if is_object(path) else Path(path)
