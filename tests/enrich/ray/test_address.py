"""What is said of the address of a Ray cluster, and of the token for it, before Ray is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.errors import InputError
from enrich.ray.address import check_token_given, probe_address

ADDRESS = "head.example:6379"


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_host_that_cannot_have_such_a_name(host: str) -> None:
    with pytest.raises(
        InputError, match=r"no Ray cluster at ray.address .* \(no host has such a name\): start its head"
    ):
        probe_address(f"{host}:6379")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the token of the cluster is looked for."""
    path = tmp_path / "token"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    return path


def test_a_file_that_has_a_token_will_do(token: Path) -> None:
    token.write_text("secret\n")
    check_token_given(ADDRESS)


@pytest.mark.parametrize("word", ["token", "TOKEN", "Token"])
def test_without_a_token_that_is_what_is_missing(word: str, token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", word)
    with pytest.raises(InputError, match="wants a token"):
        check_token_given(ADDRESS)
    token.write_text(" \n")
    with pytest.raises(InputError, match="wants a token"):
        check_token_given(ADDRESS)
    token.unlink()
    token.mkdir()
    with pytest.raises(InputError, match="wants a token"):
        check_token_given(ADDRESS)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "~nobody-of-this-name/token")
    with pytest.raises(InputError, match="wants a token"):
        check_token_given(ADDRESS)


def test_a_token_that_this_user_may_not_read_is_named(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("enrich.ray.address.read_regular", refuse)
    with pytest.raises(InputError, match=r"the token for the Ray cluster .*token: Permission denied: change its perm"):
        check_token_given(ADDRESS)
