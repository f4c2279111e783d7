"""Whether a day was built from the configuration of now: the driver, which can compile, says what that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from daeda.dataset.layout import Dataset
from daeda.dataset.manifest import Fingerprint
from daeda_audit.published.days import PublishedDay
from daeda_audit.published.stores import VERSION

Configuration = Mapping[Dataset, Fingerprint]


def read_configuration(path: str | None) -> Configuration:
    """What the driver wrote; empty where it gave nothing."""
    if path is None:
        return {}
    text = Path(path).read_text(encoding="utf-8")
    return TypeAdapter(dict[Dataset, Fingerprint]).validate_json(text)


def changed_configuration(configuration: Configuration, datasets: Sequence[PublishedDay]) -> list[str]:
    """What differs between the configuration that a day was built from and the one of now, in words."""
    changes: list[str] = []
    for published in datasets:
        recorded, now = published.manifest.fingerprint, configuration.get(published.dataset)
        if now is not None:
            # Input and stores are told by their own names.
            stores = {name: value for name, value in recorded.settings.items() if name.startswith(VERSION)}
            changes += recorded.differences(replace(now, inputs=recorded.inputs, settings=now.settings | stores))
    return list(dict.fromkeys(changes))
