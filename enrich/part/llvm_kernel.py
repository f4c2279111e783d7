"""The mean of lists of vectors as machine code, near the speed of memory: made in about 30 ms, and written nowhere.

LLVM comes with llvmlite. The kernel is written in LLVM's own language and not in Python for numba, which would compile
it for seconds in every process, or keep it in a directory: docs/decisions/0013-kernel-in-llvm.md.

For each list: add the vectors to a float32 accumulator in list order, while the next vector is fetched into the cache;
divide by their number; make every NaN the same one; round to float16 if that is asked for.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from enrich.arrays import Halves, Positions, Singles

# Elements of one step: 64 bytes of float16 are one line of the cache, and one prefetch.
STEP = 32
# x86 converts float16 with these instructions; elsewhere on x86 LLVM would call a function that is not there.
_X86_FEATURES = ("f16c", "avx2")
_ARM = ("aarch64", "arm64")


class Kernel(NamedTuple):
    """The mean as float16, and as float32 for what has still to be normalised; the module keeps the code in memory."""

    halves: Callable[..., None]
    singles: Callable[..., None]
    module: Any


@cache
def kernel() -> Kernel | None:
    """The kernel of this process; None where llvmlite is missing or the processor does not convert float16 itself."""
    try:
        import llvmlite.binding as llvm
    except ImportError:
        return None
    features = llvm.get_host_cpu_features()
    if platform.machine() not in _ARM and not all(features.get(name) for name in _X86_FEATURES):
        return None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(_DECLARATIONS + _function("halves", "half") + _function("singles", "float"))
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
    )
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    signature = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 5)
    halves, singles = (signature(engine.get_function_address(name)) for name in ("halves", "singles"))
    return Kernel(halves, singles, engine)


def mean_lists(kernel: Kernel, counts: Positions, members: Positions, matrix: Halves, out: Halves | Singles) -> None:
    """Write the mean of each list to `out`, of shape (lists, dimension), float16 or float32.

    List i is the next `counts[i]` of `members`, at least one; each member is a row of `matrix`. All are C-contiguous.
    The interpreter is free while it runs.
    """
    call = kernel.halves if out.dtype == np.float16 else kernel.singles
    total = np.empty(matrix.shape[1], np.float32)
    arrays = (counts, members, matrix, total, out)
    assert all(array.flags.c_contiguous for array in arrays)
    call(len(counts), matrix.shape[1], len(members), *(array.ctypes.data for array in arrays))


_DECLARATIONS = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
"""

# %m counts members over all lists, so that the vector after the last of a list is the first of the next one.
_FUNCTION = """
define void @{name}(i64 %lists, i64 %dim, i64 %most, ptr noalias %counts, ptr noalias %members, ptr noalias %matrix,
                    ptr noalias %total, ptr noalias %out) {{
entry:
  %whole = and i64 %dim, -{step}
  %bytes = mul i64 %dim, 4
  %final = sub i64 %most, 1
  %any = icmp sgt i64 %lists, 0
  br i1 %any, label %list, label %exit
list:
  %l = phi i64 [0, %entry], [%l.next, %list.end]
  %first = phi i64 [0, %entry], [%end, %list.end]
  %count.at = getelementptr i64, ptr %counts, i64 %l
  %count = load i64, ptr %count.at
  %end = add i64 %first, %count
  call void @llvm.memset.p0.i64(ptr %total, i8 0, i64 %bytes, i1 false)
  br label %member
member:
  %m = phi i64 [%first, %list], [%m.next, %member.end]
  %m.next = add i64 %m, 1
  %row.at = getelementptr i64, ptr %members, i64 %m
  %row = load i64, ptr %row.at
  %offset = mul i64 %row, %dim
  %vector = getelementptr half, ptr %matrix, i64 %offset
  %is.last = icmp sgt i64 %m.next, %final
  %ahead = select i1 %is.last, i64 %final, i64 %m.next
  %ahead.row.at = getelementptr i64, ptr %members, i64 %ahead
  %ahead.row = load i64, ptr %ahead.row.at
  %ahead.offset = mul i64 %ahead.row, %dim
  %ahead.vector = getelementptr half, ptr %matrix, i64 %ahead.offset
  br label %add.enter
{add}
{add_rest}
member.end:
  %members.left = icmp slt i64 %m.next, %end
  br i1 %members.left, label %member, label %divide
divide:
  %divisor = sitofp i64 %count to float
  %out.offset = mul i64 %l, %dim
  %result = getelementptr {kind}, ptr %out, i64 %out.offset
  br label %mean.enter
{mean}
{mean_rest}
list.end:
  %l.next = add i64 %l, 1
  %lists.left = icmp slt i64 %l.next, %lists
  br i1 %lists.left, label %list, label %exit
exit:
  ret void
}}
"""

# The rest of a vector goes element by element, through the same body with vectors of one.
_LOOP = """
{loop}.enter:
  %{loop}.some = icmp slt i64 {start}, {end}
  br i1 %{loop}.some, label %{loop}, label %{after}
{loop}:
  %{loop}.i = phi i64 [{start}, %{loop}.enter], [%{loop}.next, %{loop}]
{body}
  %{loop}.next = add i64 %{loop}.i, {width}
  %{loop}.left = icmp slt i64 %{loop}.next, {end}
  br i1 %{loop}.left, label %{loop}, label %{after}
"""

_ADD = """
  %{loop}.ahead = getelementptr half, ptr %ahead.vector, i64 %{loop}.i
  call void @llvm.prefetch.p0(ptr %{loop}.ahead, i32 0, i32 3, i32 1)
  %{loop}.from = getelementptr half, ptr %vector, i64 %{loop}.i
  %{loop}.half = load <{width} x half>, ptr %{loop}.from, align 2
  %{loop}.wide = fpext <{width} x half> %{loop}.half to <{width} x float>
  %{loop}.to = getelementptr float, ptr %total, i64 %{loop}.i
  %{loop}.before = load <{width} x float>, ptr %{loop}.to, align 4
  %{loop}.sum = fadd <{width} x float> %{loop}.before, %{loop}.wide
  store <{width} x float> %{loop}.sum, ptr %{loop}.to, align 4
"""

_MEAN = """
  %{loop}.one = insertelement <{width} x float> poison, float %divisor, i64 0
  %{loop}.by = shufflevector <{width} x float> %{loop}.one, <{width} x float> poison, <{width} x i32> zeroinitializer
  %{loop}.from = getelementptr float, ptr %total, i64 %{loop}.i
  %{loop}.sum = load <{width} x float>, ptr %{loop}.from, align 4
  %{loop}.raw = fdiv <{width} x float> %{loop}.sum, %{loop}.by
  %{loop}.is.nan = fcmp uno <{width} x float> %{loop}.raw, zeroinitializer
  %{loop}.mean = select <{width} x i1> %{loop}.is.nan, <{width} x float> <{nans}>, <{width} x float> %{loop}.raw
  {round}
  %{loop}.to = getelementptr {kind}, ptr %result, i64 %{loop}.i
  store <{width} x {kind}> %{loop}.rounded, ptr %{loop}.to, align 2
"""
_NAN = "float 0x7FF8000000000000"


def _function(name: str, kind: str) -> str:
    """The text of the kernel whose results are `kind`, half or float."""
    loops = {
        "add": _loop("add", "0", "%whole", "add_rest.enter", STEP, _ADD),
        "add_rest": _loop("add_rest", "%whole", "%dim", "member.end", 1, _ADD),
        "mean": _loop("mean", "0", "%whole", "mean_rest.enter", STEP, _MEAN, kind),
        "mean_rest": _loop("mean_rest", "%whole", "%dim", "list.end", 1, _MEAN, kind),
    }
    return _FUNCTION.format(name=name, kind=kind, step=STEP, **loops)


def _loop(loop: str, start: str, end: str, after: str, width: int, body: str, kind: str = "float") -> str:
    operation = "fptrunc" if kind == "half" else "bitcast"
    filled = body.format(
        loop=loop,
        width=width,
        kind=kind,
        nans=", ".join([_NAN] * width),
        round=f"%{loop}.rounded = {operation} <{width} x float> %{loop}.mean to <{width} x {kind}>",
    )
    return _LOOP.format(loop=loop, start=start, end=end, after=after, width=width, body=filled)
