"""Text that others wrote, made safe to show on a terminal, in a log line or in a message."""

import unicodedata

# Cc: ESC, BEL, CR, NUL ... Cf: direction overrides, zero-width marks. Cs: lone surrogates. Zl, Zp: line
# breaks that some terminals and log readers honor. Cn, Co: no meaning agreed upon.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"})


def is_safe(character: str) -> bool:
    """Whether one character only shows itself: it moves no cursor and hides or reverses no neighbor."""
    return unicodedata.category(character) not in _UNSAFE


def printable(text: str, *, multiline: bool = False, limit: int | None = None) -> str:
    r"""``text`` with every control, escape, direction and line-breaking character spelled out.

    Use it for whatever a person outside wrote (names, labels, log lines, file names, error texts of engines)
    before it reaches a terminal or a log. What it gives never clears a screen, sets a title or forges a line.
    Markup of a rendering library (Rich's ``[link=...]``) is not its business: escape that where you render.

    Args:
        multiline: keep line feeds and tabs, for logs; else they are spelled out too.
        limit: at most about so many characters, the rest cut and marked with an ellipsis; None keeps all.

    >>> print(printable("evil\x1b[2J name\n"))
    evil\x1b[2J name\n
    """
    kept = "\n\t" if multiline else ""
    cut = text if limit is None or len(text) <= limit else text[: max(limit - 1, 0)]
    shown = "".join(c if c in kept or is_safe(c) else _spelled(c) for c in cut)
    return shown if cut is text else shown + "…"


def unsafe_characters(text: str, *, allowed: str = "") -> str:
    r"""The characters of ``text`` that are not safe to show, each once, spelled out; empty if there are none.

    >>> print(unsafe_characters("a\tb\x07\x07", allowed="\t"))
    \x07
    """
    return " ".join(dict.fromkeys(_spelled(c) for c in text if c not in allowed and not is_safe(c)))


def _spelled(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
