"""The contract of days on disk: layout, manifests, fingerprints, source files, staging and publication.

Called, as `daeda.dataset(root, service)`, it opens the published days of a service: see `daeda_data.dataset`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A package whose name is a public function, too: `import daeda` has one attribute for both."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The published days of a service."""
        from importlib import import_module

        return import_module("daeda_data").dataset(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
