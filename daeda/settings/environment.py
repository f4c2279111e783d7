"""What variables of the environment say of a settings file, as a mapping nested like the file.

pydantic-settings, which only this module needs, takes as long to import as all of daeda's own models: it is imported
where a variable is set.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

__all__ = ["SettingsError", "read_environment"]


class _Variables(EnvSettingsSource):
    """The variables of a model; those of the settings `as_text` are no JSON."""

    def __init__(self, model: type[BaseModel], prefix: str, as_text: frozenset[str]) -> None:
        # A source asks its model for fields and configuration, which every model has.
        settings = cast(type[BaseSettings], model)
        super().__init__(settings, case_sensitive=False, env_prefix=prefix, env_nested_delimiter="__")
        self._as_text = as_text

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """What the text of a setting with parts says."""
        return value if field_name in self._as_text else super().decode_complex_value(field_name, field, value)


def read_environment(model: type[BaseModel], prefix: str, as_text: frozenset[str]) -> dict[str, Any]:
    """What the variables with this prefix say of the model; raises SettingsError for one that is not JSON."""
    return _Variables(model, prefix, as_text)()
