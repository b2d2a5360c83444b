"""Text of others, made safe to show."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.text import is_safe, printable, unsafe_characters


@given(st.text())
def test_what_is_shown_is_safe_and_showing_again_changes_nothing(text: str) -> None:
    shown = printable(text)
    assert all(is_safe(c) for c in shown)
    assert printable(shown) == shown
    assert not unsafe_characters(shown)


@given(st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs", "M"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_no_control_character_is_safe() -> None:
    controls = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) == "Cc"]
    assert len(controls) == 65
    assert not any(is_safe(c) for c in controls)


def test_logs_keep_their_lines_and_names_do_not() -> None:
    assert printable("a\n\tb\r\x1b[0m", multiline=True) == "a\n\tb\\r\\x1b[0m"
    assert printable("a\nb") == "a\\nb"


def test_long_text_is_cut_and_marked() -> None:
    assert printable("abcdef", limit=4) == "abc…"
    assert printable("abcd", limit=4) == "abcd"
    assert printable("\ud800") == "\\ud800"
