"""Tables of the journal and the records. A change here needs a revision in ``migrations/versions``."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, SmallInteger, String, Table, Text

VERSION = 1  # the newest revision in migrations/versions
VERSION_TABLE = "shoestring_version"

metadata = MetaData()
_Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER

# Append-only. ``seq`` grows by one with no gap; ``crc`` is taken over seq, epoch and body.
entries = Table(
    "journal_entries",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("run_id", String(200), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("at", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("crc", BigInteger, nullable=False),
)

# One row, id 1, made by the first revision: writers lock it, so they come one after another.
lease = Table(
    "journal_lease",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("holder", String(200), nullable=False),
    Column("host", String(255), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", String(40), nullable=False),
    Column("ttl_s", Float, nullable=False),
)

# What people asked for and no leader has taken yet; ids are never used again.
requests = Table(
    "journal_requests",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("body", Text, nullable=False),
    sqlite_autoincrement=True,
)

profiles = Table(
    "profiles",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("code_sha256", String(64), nullable=False),
    Column("measured_at", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Index("profiles_by_code", "code_sha256", "measured_at"),
)
