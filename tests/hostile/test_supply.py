"""What is installed and what a run may touch: pins, licences, dangerous calls, modes of files, places of files."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.daeda_audit.feed import DAYS, build, enrich, feed
from tests.packages import PACKAGES
from tests.projects import TinyProject

REPOSITORY = Path(__file__).parents[2]
# What every environment brings along.
BOOTSTRAP = {"daeda-features", "pip", "setuptools", "wheel"}
# Licences under which everything that is installed may be used and passed on with an Apache-2.0 project. Copyleft that
# reaches beyond a file (GPL, AGPL) is not among them.
LICENCES = re.compile(r"Apache|BSD|MIT|ISC|MPL|Mozilla|PSF|Python Software Foundation", re.IGNORECASE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.partition("==") for line in lines if line and not line.startswith("#")]
    assert all(version for _, _, version in pinned), "every line pins one version"
    return {normal(name): version for name, _, version in pinned}


def installed() -> dict[str, Distribution]:
    return {normal(distribution.metadata["Name"]): distribution for distribution in distributions()}


def licence(distribution: Distribution) -> str:
    listed = [line for line in distribution.metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    metadata = distribution.metadata
    texts = [metadata.get("License-Expression"), *listed, (metadata.get("License") or "").partition("\n")[0]]
    return "; ".join(text for text in texts if text)


def needed(name: str = "daeda-features", extra: str = "dev") -> set[tuple[str, str]]:
    """What a distribution with an extra needs, all the way down: pairs of name and extra."""
    everything, pairs, waiting = installed(), set(), [(name, extra)]
    while waiting:
        pair = waiting.pop()
        if pair in pairs:
            continue
        pairs.add(pair)
        for text in everything[pair[0]].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": pair[1]}):
                waiting += [(normal(requirement.name), extra) for extra in ("", *requirement.extras)]
    return pairs


def test_what_is_needed_is_pinned_and_installed_at_its_pin_and_nothing_else_is_pinned() -> None:
    everything = installed()
    versions = {name: everything[name].version for name, _ in needed() if name not in BOOTSTRAP}
    assert versions == pins()


@pytest.mark.cases
def test_every_requirement_is_met_and_none_contradicts_another() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "No broken requirements found.\n"), done.stdout


@pytest.mark.cases
def test_every_dependency_has_a_licence_that_lets_it_be_used() -> None:
    told = {name: licence(installed()[name]) for name, _ in needed()}
    wrong = {name: text for name, text in told.items() if not LICENCES.search(text)}
    assert wrong == {}


# Calls that turn bytes of a file into objects or code, or a text into a shell's command.
FORBIDDEN = {
    "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "pickle.load", "cloudpickle.load", "eval",
    "exec", "os.system", "os.popen", "marshal.load", "marshal.loads", "shelve.open", "joblib.load",
    "numpy.load", "np.load",
}  # fmt: skip
# Ray's actors and the driver hand each other bytes that they have made themselves: parts, the ids of vectors. So does
# Beam with operators, which hold the context of the run.
PICKLE_BETWEEN_OWN_PROCESSES = {
    "beam_pipeline/workers/context.py",
    "enrich/ray/actors.py",
    "enrich/ray/stream.py",
    "enrich/store/vectors.py",
}


def calls(tree: ast.AST) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_file_becomes_code_or_an_object() -> None:
    unpickled = set()
    for path in sorted(path for package in (*PACKAGES, "sample_data") for path in (REPOSITORY / package).rglob("*.py")):
        name = str(path.relative_to(REPOSITORY))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = calls(tree)
        assert not FORBIDDEN & set(called), name
        assert not any(isinstance(node, ast.keyword) and node.arg == "shell" for node in ast.walk(tree)), name
        if "pickle.loads" in called:
            unpickled.add(name)
    assert unpickled == PICKLE_BETWEEN_OWN_PROCESSES


def modes(root: Path) -> set[tuple[str, int]]:
    """Kind and permissions of everything below a directory."""
    return {("directory" if path.is_dir() else "file", stat.S_IMODE(path.stat().st_mode)) for path in root.rglob("*")}


@pytest.mark.some(1)
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_published_files_have_the_permissions_of_the_umask(umask: int, tmp_path: Path) -> None:
    made = feed(tmp_path)
    before = os.umask(umask)
    try:
        build(made, days=DAYS)
        enrich(made)
    finally:
        os.umask(before)
    assert list((tmp_path / "output").rglob("dt=*/part-0-0.parquet"))
    assert modes(tmp_path / "output") == {("directory", 0o777 & ~umask), ("file", 0o666 & ~umask)}


def test_a_run_writes_only_below_its_output_and_leaves_nothing_in_temporary_places(tmp_path: Path) -> None:
    """HOME, TMPDIR and the working directory are watched; the umask is the strictest that lets a run work."""
    root, watched, here = tmp_path / "project", tmp_path / "watched", tmp_path / "here"
    made = TinyProject(root).without("item_vector").write().write_data()
    for directory in (watched / "home", watched / "tmp", here):
        directory.mkdir(parents=True)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-m", "daeda", "pipeline", "train", "ranking", "--runtime-config-path", made.runtime_path],
        cwd=here,
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(watched / "home"), "TMPDIR": str(watched / "tmp"),
        },
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path for path in (*watched.rglob("*"), *here.rglob("*")) if path.is_file()] == []
    output = root / "output"
    assert modes(output) == {("directory", 0o700), ("file", 0o600)}
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and output not in path.parents}
    assert after == before
    days = output / "ranking/skeleton"
    kept = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file() and days not in path.parents}
    assert all(name.startswith("ranking/_") for name in kept), kept
    assert sorted(path.name for path in days.iterdir()) == ["dt=2024-01-02", "dt=2024-01-03"]
