"""Texts that want to be more than text: SQL, spreadsheet formulas, lines, HTML, terminal and format codes."""

from itertools import product

CORES = (
    "1 or 1=1", "union select * from read_csv('/etc/passwd')", "drop table charges", "copy (select 1) to '/tmp/owned'",
    "attach '/tmp/x.db'", "install httpfs", "load icu", "set memory_limit='1KB'", "pragma database_list", "$1", "?",
    "select getenv('HOME')", "x_Team", "null", "read_parquet('*')", "cmd|'/C calc'!A0", "HYPERLINK(\"http://x\")",
    "SUM(A1:A9)", "DDE(\"x\")", "IMPORTXML(\"http://x\")", "<script>alert(1)</script>", "</script>", "<img src=x>",
    "{{7*7}}", "${jndi:ldap://x}", "%s%n%x", "../../etc/passwd", "NaN", "Infinity", "1e999",
)  # fmt: skip
FRONT = (
    "",
    "'",
    '"',
    "';",
    '");',
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r\n",
    "\n",
    "=\t",
    "\\",
    "--",
    "/*",
    "\x1b[31m",
    "\u202e",
)
BACK = ("", "--", "'", '";')


def payloads() -> list[str]:
    """About two thousand, each once, and none that is empty."""
    made = [f"{front}{core}{back}" for front, core, back in product(FRONT, CORES, BACK)]
    made += [
        "\x00x",
        "🙂" * 500,
        "x" * 100_000,
        '{"a":' * 2_000,
        "[" * 5_000,
        "\ufeff",
        "%00",
        "\\u0000",
        "a\x00b",
    ]
    return list(dict.fromkeys(made))
