"""Hosts of their own on one machine: network namespaces on a bridge, where the kernel and the user may have them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from tests.engines.cache import NotToBeHad


@dataclass(frozen=True)
class Hosts:
    """`outside` is the address of this machine on the bridge; the hosts are numbered from 1."""

    outside: str
    addresses: dict[int, str]
    # Words before a program that has to run on a host.
    inside: dict[int, list[str]]


@contextlib.contextmanager
def hosts(number: int = 2) -> Iterator[Hosts]:
    """So many hosts, each with a localhost of its own; they are gone after the block. Raises NotToBeHad."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise NotToBeHad("network namespaces need root and the program ip")
    tag = f"{random.SystemRandom().randrange(16**4):04x}"
    bridge, net = f"dbr{tag}", f"10.{random.SystemRandom().randrange(64, 250)}.{int(tag[:2], 16)}"
    with contextlib.ExitStack() as stack:
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge)
        _ip("addr", "add", f"{net}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        made = Hosts(f"{net}.1", {}, {})
        for host in range(1, 1 + number):
            name, cable = f"daeda{tag}{host}", f"dv{tag}{host}"
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "e0", "netns", name)
            _ip("link", "set", cable, "master", bridge, "up")
            made.addresses[host] = f"{net}.{1 + host}"
            _ip("-n", name, "addr", "add", f"{made.addresses[host]}/24", "dev", "e0")
            _ip("-n", name, "link", "set", "e0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
            made.inside[host] = ["ip", "netns", "exec", name]
        yield made


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotToBeHad(f"ip {' '.join(words)}: {done.stderr.strip() or done.returncode}")
