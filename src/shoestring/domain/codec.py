"""Values to JSON and back, driven by the dataclasses' own types; no pickles, no surprises.

A union member is tagged with its class name under ``"_"``. Unknown fields of newer versions are ignored and
missing ones take their defaults, so older journals stay readable.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

Json = Any


def to_json(value: Any) -> Json:
    """A JSON-able copy of a domain value: Decimal as text, datetime as ISO 8601, enum as its value."""
    if value is None or isinstance(value, bool | int | float) or type(value) is str:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value):
        kind: type = type(value)
        return {"_": kind.__name__, **{name: to_json(getattr(value, name)) for name in _field_names(kind)}}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def from_json(kind: Any, data: Json) -> Any:
    """The domain value of type ``kind`` (a dataclass, union, enum, container) that ``data`` describes.

    Raises:
        ValueError: data does not describe such a value; the message names the field.
    """
    return _decoder(kind)(data)


def dumps(value: Any) -> str:
    """Compact, deterministic JSON text of a domain value."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"))


def loads(kind: Any, text: str) -> Any:
    """The inverse of :func:`dumps`."""
    return from_json(kind, json.loads(text))


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


@cache
def _decoder(kind: Any) -> Callable[[Json], Any]:
    origin = typing.get_origin(kind)
    if kind is Any:
        return lambda data: data
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(typing.get_args(kind))
    if origin is tuple:
        item = _decoder(typing.get_args(kind)[0])
        return lambda data: tuple(item(d) for d in data)
    if origin is not None and issubclass(origin, Mapping):
        value = _decoder(typing.get_args(kind)[1])
        return lambda data: {k: value(v) for k, v in data.items()}
    if dataclasses.is_dataclass(kind):
        return _dataclass_decoder(typing.cast(type, kind))
    if kind is Decimal:
        return lambda data: Decimal(str(data))
    if kind is datetime:
        return datetime.fromisoformat
    if kind is float:
        return float
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if kind in (str, int, bool):
        return _exactly(kind)
    raise TypeError(f"no JSON form for {kind}")


def _exactly(kind: type) -> Callable[[Json], Any]:
    def decode(data: Json) -> Any:
        if not isinstance(data, kind):
            raise ValueError(f"expected {kind.__name__}, found {data!r}")
        return data

    return decode


def _union_decoder(members: tuple[Any, ...]) -> Callable[[Json], Any]:
    classes: dict[str, Any] = {
        m.__name__: m for m in members if isinstance(m, type) and dataclasses.is_dataclass(m)
    }
    plain = [m for m in members if m is not type(None) and not dataclasses.is_dataclass(m)]

    def decode(data: Json) -> Any:
        if data is None and type(None) in members:
            return None
        if isinstance(data, dict) and (tag := data.get("_")) is not None:
            if tag not in classes:
                raise ValueError(f"unknown kind {tag!r}; known: {', '.join(sorted(classes))}")
            return _decoder(classes[tag])(data)
        if len(plain) == 1:
            return _decoder(plain[0])(data)
        raise ValueError(f"can't tell which of {members} {data!r} is")

    return decode


def _dataclass_decoder(kind: type) -> Callable[[Json], Any]:
    hints = typing.get_type_hints(kind)
    decoders: dict[str, Callable[[Json], Any]] = {}  # filled on first use: types may be recursive

    def decode(data: Json) -> Any:
        if not decoders:
            decoders.update({name: _decoder(hints[name]) for name in _field_names(kind)})
        if not isinstance(data, dict):
            raise ValueError(f"expected a {kind.__name__}, found {data!r}")
        try:
            return kind(**{name: decoders[name](data[name]) for name in decoders if name in data})
        except (TypeError, KeyError) as error:
            raise ValueError(f"{kind.__name__}: {error}") from error

    return decode
