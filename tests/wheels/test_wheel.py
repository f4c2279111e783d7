"""The wheel has every file of the packages, its version and its name; `make wheels` tries it with each extra."""

from __future__ import annotations

import email
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from daeda.installed import DISTRIBUTION, VERSION
from tests.wheels.contents import build, missing_files
from tests.wheels.run import TRIED

ROOT = Path(__file__).parents[2]


def test_the_command_agrees_with_what_is_installed() -> None:
    assert metadata.version(DISTRIBUTION) == VERSION
    told = subprocess.run([sys.executable, "-m", "daeda", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"daeda {VERSION}\n"


def test_every_extra_of_users_is_tried() -> None:
    extras = set(metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ())
    # PyTorch has `make torch`; the others are for the example and the tests.
    assert extras - {"torch", "demo", "notebook", "dev"} == set(TRIED) - {"core"}


@pytest.mark.cases
def test_the_wheel_has_every_file(tmp_path: Path) -> None:
    wheel = build(ROOT, tmp_path)
    assert wheel.name == f"daeda_features-{VERSION}-py3-none-any.whl"
    assert missing_files(ROOT, wheel) == []
    with zipfile.ZipFile(wheel) as packed:
        [name] = [name for name in packed.namelist() if name.endswith("/METADATA")]
        told = email.message_from_bytes(packed.read(name))
    assert (told["Name"], told["Version"]) == (DISTRIBUTION, VERSION)
    assert not [line for line in told.get_all("Requires-Dist") if line.startswith("daeda[")]
