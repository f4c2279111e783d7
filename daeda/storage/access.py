"""Access to object storage, from the usual environment or profile; never from YAML.

    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN         or, without them, the profile
    AWS_PROFILE (default), AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE
    AWS_REGION, AWS_DEFAULT_REGION        AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL

What is secret is shown by no `repr`, and `without_secrets` takes it out of text that others made.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from daeda.errors import InputError
from daeda.storage.masking import masked
from daeda.storage.regular import read_regular

_MOST_PROFILES = 1 << 20
_DEFAULT_REGION = "us-east-1"
# Variables whose values never belong into a message, whoever reads them.
_SECRET_VARIABLE = re.compile(r"(?:^|_|PG)(?:PASSWORD|PASSWD|SECRET|TOKEN|SECRET_?KEY|ACCESS_?KEY(?:_ID)?|API_?KEY)$")


@dataclass(frozen=True)
class Access:
    """How to reach the servers: region, and the endpoint of servers that are not Amazon's (`http://host:port`)."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    region: str = _DEFAULT_REGION
    endpoint: str = ""

    @property
    def secure(self) -> bool:
        """Whether requests go through TLS."""
        return not self.endpoint.startswith("http://")

    @property
    def host(self) -> str:
        """Host and port of the endpoint; empty for Amazon's."""
        return urlsplit(self.endpoint).netloc if self.endpoint else ""


def find_access(environ: Mapping[str, str] = os.environ) -> Access:
    """Access as the environment gives it; raises InputError when it gives none."""
    profile = _profile(environ)
    keys = _keys(environ) or _keys({name.upper(): value for name, value in profile.items()})
    if keys is None:
        raise InputError(
            "object storage: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of "
            "~/.aws/credentials with AWS_PROFILE"
        )
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or profile.get("region") or _DEFAULT_REGION
    return Access(*keys, region=region, endpoint=_endpoint(environ, profile))


def without_secrets(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """The text with every secret of this process replaced, and every other one that an address or a setting holds."""
    # Every cell of a table comes through here: no other variable is looked at than those with a secret.
    values = [environ[name] for name in environ if _is_secret(name)]
    if any(name in text for name in ("aws", "AWS", "s3", "S3")):
        values += _keys_of_profile(environ)
    return masked(text, values)


@lru_cache(maxsize=4096)
def _is_secret(variable: str) -> bool:
    return _SECRET_VARIABLE.search(variable.upper()) is not None


def _keys_of_profile(environ: Mapping[str, str]) -> list[str]:
    """What is secret in the profile; nothing where it cannot be read, which whoever needs it says."""
    try:
        profile = _profile(environ)
    except (InputError, OSError):
        return []
    return list(_keys({name.upper(): value for name, value in profile.items()}) or ())


def _keys(values: Mapping[str, str]) -> tuple[str, str, str] | None:
    key_id, secret = values.get("AWS_ACCESS_KEY_ID"), values.get("AWS_SECRET_ACCESS_KEY")
    return (key_id, secret, values.get("AWS_SESSION_TOKEN", "")) if key_id and secret else None


def _endpoint(environ: Mapping[str, str], profile: Mapping[str, str]) -> str:
    name = next((name for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if environ.get(name)), "endpoint_url")
    endpoint = environ.get(name) or profile.get("endpoint_url") or ""
    parts = urlsplit(endpoint)
    if endpoint and (
        parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path.strip("/")
    ):
        raise InputError(f"{name} is not the URL of a server: write it like https://s3.example.com:9000")
    return endpoint.rstrip("/")


def _profile(environ: Mapping[str, str]) -> dict[str, str]:
    """Keys of the profile in both files of AWS; an unnamed profile that is not there is an empty one."""
    name = environ.get("AWS_PROFILE") or "default"
    home = Path(environ.get("HOME", "~")).expanduser()
    credentials = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws/credentials").expanduser()
    config = Path(environ.get("AWS_CONFIG_FILE") or home / ".aws/config").expanduser()
    entries: dict[str, str] = {}
    for path, section in ((config, name if name == "default" else f"profile {name}"), (credentials, name)):
        parser = configparser.RawConfigParser()
        try:
            if path.exists():
                parser.read_string(read_regular(path, _MOST_PROFILES).decode("utf-8"), str(path))
        except (configparser.Error, UnicodeDecodeError):
            # The error would quote the line, and the line may be a secret.
            raise InputError(f"{path} is not a file of profiles: correct it, or name another one") from None
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}: name another file of profiles") from None
        if parser.has_section(section):
            entries |= dict(parser.items(section))
    if not entries and environ.get("AWS_PROFILE"):
        raise InputError(f"AWS_PROFILE names '{name}', and neither {credentials} nor {config} has such a profile")
    return entries
