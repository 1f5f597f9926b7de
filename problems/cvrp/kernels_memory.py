"""Raw loads and stores: no test for a negative index, 1.4-1.5 times the speed of array indexing in the local search.

A pointer does not keep its array alive. Only an entry point takes pointers, and only of arrays that are its arguments:
its caller holds those as long as it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # has no stubs
from numba.core import types
from numba.extending import intrinsic


def _raw(builder: Callable[..., Any]) -> Callable[..., Any]:
    """`intrinsic`, seen by a type checker as what a kernel calls: without the typing context."""
    return intrinsic(builder)


@_raw
def pointer_to(typing_context: Any, array: Any) -> Any:
    """The address of a C-contiguous array's first element."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    if not isinstance(array, types.Array) or array.layout != "C":
        return None
    return types.CPointer(array.dtype)(array), generate  # type: ignore[no-untyped-call]  # numba has no hints here


@_raw
def shifted(typing_context: Any, pointer: Any, offset: Any) -> Any:
    """The pointer moved on by `offset` elements."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.int64), generate


@_raw
def at(typing_context: Any, pointer: Any, index: Any) -> Any:
    """``pointer[index]``; an int32 is widened to int64, so that kernels know one type of integer."""
    value = types.int64 if pointer.dtype == types.int32 else pointer.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(builder.gep(arguments[0], [arguments[1]]))
        return builder.sext(loaded, ir.IntType(64)) if signature.args[0].dtype == types.int32 else loaded

    return value(pointer, types.int64), generate


@_raw
def put(typing_context: Any, pointer: Any, index: Any, value: Any) -> Any:
    """``pointer[index] = value``; an int64 is narrowed to int32 where the array is of int32."""
    wide = types.int64 if pointer.dtype == types.int32 else pointer.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, where, what = arguments
        if signature.args[0].dtype == types.int32:
            what = builder.trunc(what, ir.IntType(32))
        builder.store(what, builder.gep(target, [where]))
        return context.get_dummy_value()

    return types.void(pointer, types.int64, wide), generate
