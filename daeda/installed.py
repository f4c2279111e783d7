"""What is installed here: the version of daeda, its distribution, and the command that installs an extra beside it.

The distribution has another name than the packages in it and the command: on PyPI, `daeda` is a package of others.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "daeda-features"
# pyproject.toml has it from here.
VERSION = "0.2.0"

# Of a clone; of what is installed, the directory of all packages.
ROOT = Path(__file__).absolute().parents[1]
_REQUIREMENT = r"\s*([^;]*?)\s*;\s*extra\s*==\s*['\"]([\w-]+)['\"]\s*"


def version_of(package: str) -> str:
    """The version of a package, and of daeda itself; raises PackageNotFoundError."""
    # Every command imports this module, and few look anything up.
    from importlib.metadata import version

    return VERSION if package == "daeda" else version(package)


def install_command(extra: str) -> str:
    """The command that installs an extra, or daeda anew where it is empty, in the way in which daeda was installed."""
    import json
    import shlex
    from importlib import metadata

    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        distribution = None
    parts = Path(sys.prefix).parts
    installer = ((distribution.read_text("INSTALLER") if distribution else None) or "pip").strip()
    tool = "pipx" if "pipx" in parts else "uv tool" if installer == "uv" and "tools" in parts else ""
    # A tool is installed anew, and has the extras alone that are named.
    extras = {extra} | (_extras(distribution) if tool and distribution is not None else set())
    wanted = f"[{','.join(sorted(extras - {''}))}]" if extras - {""} else ""
    # Metadata that a build has left in a clone says nothing of how it was installed.
    clone = f"-e {shlex.quote(f'{ROOT}{wanted}')}" if (ROOT / "pyproject.toml").is_file() else ""
    if distribution is None:
        return f"pip install {clone or shlex.quote(DISTRIBUTION + wanted)}"
    source = clone or _source(json.loads(distribution.read_text("direct_url.json") or "{}"), wanted)
    if tool and source:
        return f"{tool} install --force {source}"
    pip = "uv pip install" if installer == "uv" else "pip install"
    # What it was installed from is gone: its libraries are still to be had.
    return f"{pip} {source or _libraries(distribution, extra)}"


def _source(origin: Mapping[str, object], wanted: str) -> str:
    """What names daeda where it came from, with an extra; empty where that is no more.

    An index has it by its name; a directory, a wheel and a repository by their places.
    """
    import shlex
    from urllib.parse import unquote, urlsplit

    url = str(origin.get("url", ""))
    if not url:
        return f"'{DISTRIBUTION}{wanted}'"
    path = Path(unquote(urlsplit(url).path))
    if url.startswith("file:") and not path.exists():
        return ""
    directory = origin.get("dir_info")
    if isinstance(directory, dict):
        return f"{'-e ' if directory.get('editable') else ''}{shlex.quote(f'{path}{wanted}')}"
    repository = origin.get("vcs_info")
    if isinstance(repository, dict):
        url = f"{repository.get('vcs')}+{url}@{repository.get('commit_id')}"
    return shlex.quote(f"{DISTRIBUTION}{wanted} @ {url}")


def _libraries(distribution: Distribution, extra: str) -> str:
    """What an extra, or daeda itself, consists of."""
    import shlex

    return " ".join(shlex.quote(one.replace(" ", "")) for one in _requirements(distribution).get(extra, ()))


def _requirements(distribution: Distribution) -> dict[str, list[str]]:
    """What each extra consists of; daeda itself stands under ''."""
    import re

    found: dict[str, list[str]] = {}
    for line in distribution.requires or ():
        match = re.fullmatch(_REQUIREMENT, line)
        found.setdefault(match[2] if match else "", []).append(match[1] if match else line)
    return found


def _extras(distribution: Distribution) -> set[str]:
    """The extras whose libraries are all installed."""
    import re
    from importlib import metadata

    def is_here(requirement: str) -> bool:
        name = re.match(r"[\w.-]+", requirement)
        try:
            return name is not None and bool(metadata.version(name[0]))
        except metadata.PackageNotFoundError:
            return False

    return {extra for extra, needed in _requirements(distribution).items() if all(map(is_here, needed))}
