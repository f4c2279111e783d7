"""Build the user guide as a site, build/site/html: `python -m docs.site ZENSICAL`. A broken link ends it with 1.

The pages are docs/**/*.md as they are read in a repository. Three things differ on a site, and are changed in a copy: a
README is the index of its folder, a folder has an index, and what lies outside of docs/ is no page. A link to it leads
to the repository with `--repository URL`; without one its text stays, and the path in the repository stands behind it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
BUILD = ROOT / "build" / "site"
CONFIG = DOCS / "zensical.toml"
ASSETS = (".css", ".svg", ".png", ".json")

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~)")
_ITEM = re.compile(r"^([-*]|\d+\.) ")


def main(arguments: list[str] | None = None) -> int:
    """Copy the pages, and have Zensical build them; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("zensical", type=Path, help="the program, in an environment of its own")
    parser.add_argument("--repository", default="", help="address that a path of the repository is appended to")
    parser.add_argument("--build", type=Path, default=BUILD, help="folder that is made anew (default: build/site)")
    options = parser.parse_args(arguments)
    build: Path = options.build.absolute()
    if build.is_dir() and any(build.iterdir()) and not (build / CONFIG.name).exists():
        parser.error(f"{build} holds something else than a site: name another folder")
    shutil.rmtree(build, ignore_errors=True)
    copy(build / "pages", options.repository)
    shutil.copy(CONFIG, build / CONFIG.name)
    command = [str(options.zensical.absolute()), "build", "--strict", "--config-file", str(build / CONFIG.name)]
    done = subprocess.run(command, cwd=build, check=False).returncode
    if done == 0:
        html = os.path.relpath(build / "html")
        serve = f"python -m http.server --bind localhost --directory {html}"
        print(f"to read it, with its search: {serve}", file=sys.stderr)
        print(f"{html}/index.html")
    return done


def copy(target: Path, repository: str = "") -> None:
    """Write the pages as a site has them, the pictures, and an index of the decisions."""
    for path in sorted(DOCS.rglob("*")):
        place = target / site_path(path.relative_to(DOCS))
        if path.suffix == ".md":
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(page(path.read_text(encoding="utf-8"), path, repository), encoding="utf-8")
        elif path.suffix in ASSETS:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    (target / "decisions/index.md").write_text(decisions(), encoding="utf-8")


def site_path(path: Path) -> Path:
    """Where a page of docs/ lies among the pages of the site."""
    return path.with_name("index.md") if path.name == "README.md" else path


def decisions() -> str:
    """The list of decisions, by their first lines."""
    lines = ["# Decisions", "", "What a reader of the code would question, a page each.", ""]
    for path in sorted((DOCS / "decisions").glob("*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"


def page(text: str, path: Path, repository: str = "") -> str:
    """The text of a page with its links as the site has them.

    >>> page("See [the list](../CONTRIBUTING.md#rules).", DOCS / "audit.md")
    'See the list (`CONTRIBUTING.md`).'
    >>> page("[guide](README.md#start)", DOCS / "audit.md")
    '[guide](index.md#start)'
    >>> page("[list](../CONTRIBUTING.md)", DOCS / "audit.md", "https://example.org/tree/main/")
    '[list](https://example.org/tree/main/CONTRIBUTING.md)'
    """
    lines: list[str] = []
    in_code = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            in_code = not in_code
        if not in_code and not line.startswith("    "):
            # A list begins behind an empty line in the Markdown of the site, and anywhere in that of a repository.
            if _ITEM.match(line) and lines and lines[-1].strip() and not _in_list(lines):
                lines.append("")
            line = _LINK.sub(lambda found: _linked(found, path, repository), line)
        lines.append(line)
    return "\n".join(lines)


def _in_list(lines: list[str]) -> bool:
    """Whether the last paragraph is an item of a list."""
    for line in reversed(lines):
        if _ITEM.match(line):
            return True
        if not line.startswith("  "):
            return False
    return False


def _linked(found: re.Match[str], path: Path, repository: str) -> str:
    mark, text, target = found[1], found[2], found[3]
    name, _, anchor = target.partition("#")
    if "://" in name or not name:
        return found[0]
    behind = f"#{anchor}" if anchor else ""
    other = Path(os.path.normpath(path.parent / name))
    if other.is_relative_to(DOCS):
        if other.is_dir():
            other /= "README.md"
        if other.suffix == ".md" or other.suffix in ASSETS:
            here = (DOCS / site_path(path.relative_to(DOCS))).parent
            return f"{mark}[{text}]({os.path.relpath(DOCS / site_path(other.relative_to(DOCS)), here)}{behind})"
    place = other.relative_to(ROOT).as_posix()
    if repository:
        return f"{mark}[{text}]({repository.rstrip('/')}/{place}{behind})"
    return text if text.strip("`") == place else f"{text} (`{place}`)"


if __name__ == "__main__":
    sys.exit(main())
