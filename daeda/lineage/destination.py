"""Where events of lineage go: a file that they are appended to, a line each, or a server that takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from daeda.errors import UsageError, cut

_SCHEMES = ("http", "https")
# Where servers of OpenLineage take events, unless the address says another path.
_ENDPOINT = "api/v1/lineage"


@dataclass(frozen=True)
class Destination:
    """Either a file or a server, which is told by its address and the path that events are posted to."""

    file: Path | None = None
    server: str = ""
    endpoint: str = _ENDPOINT

    def __str__(self) -> str:
        return str(self.file) if self.file is not None else f"{self.server}/{self.endpoint}"


def parse_destination(text: str, below: Path, where: str) -> Destination:
    """A destination as it is written at `where`; a file is relative to `below`. Raises UsageError."""
    if "://" not in text:
        file = (below / text).absolute()
        if file.is_dir():
            raise UsageError(f"{where}: {text} is a directory: give the name of a file, or the address of a server")
        if not file.parent.is_dir():
            raise UsageError(f"{where}: there is no directory {file.parent}: make it, or write elsewhere")
        return Destination(file=file)
    try:
        address = urlsplit(text)
        # A port that is none is told when it is asked for.
        _ = address.port
    except ValueError as error:
        raise UsageError(f"{where}: {cut(text)} is no address: {error}: write http://host:port") from error
    if address.scheme not in _SCHEMES or not address.netloc:
        raise UsageError(f"{where}: {text} is neither a file nor the address of a server: write http://host:port")
    if address.username or address.password:
        raise UsageError(f"{where}: the address holds a user or a password: give a key in OPENLINEAGE_API_KEY instead")
    if "?" in text or "#" in text:
        raise UsageError(
            f"{where}: the address has a query or a fragment, which is not sent: write it without what begins with "
            "'?' or '#', and give a key in OPENLINEAGE_API_KEY"
        )
    path = address.path.strip("/")
    return Destination(server=f"{address.scheme}://{address.netloc}", endpoint=path or _ENDPOINT)
