"""Machine code from text in LLVM's language, in memory, by llvmlite (docs/decisions/0013-kernel-in-llvm.md)."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

NUMBER, ADDRESS = ctypes.c_int64, ctypes.c_void_p


class Code(NamedTuple):
    """Functions by name; the module keeps their code in memory. The interpreter is free while one runs."""

    functions: Mapping[str, Callable[..., int]]
    module: Any


def compiled(text: str, signatures: Mapping[str, tuple[Any, ...]]) -> Code | None:
    """Functions, each by what it returns and takes.

    None where llvmlite is missing, or numbers begin with their highest byte.
    """
    try:
        import llvmlite.binding as llvm
    except ImportError:
        return None
    if sys.byteorder != "little":
        return None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    functions = {
        name: ctypes.CFUNCTYPE(*signature)(engine.get_function_address(name)) for name, signature in signatures.items()
    }
    return Code(functions, engine)
