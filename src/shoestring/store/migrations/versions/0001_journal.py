"""Journal, lease, requests and profiles."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "journal_entries",
        sa.Column("seq", _Key, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("crc", sa.BigInteger, nullable=False),
    )
    lease = op.create_table(
        "journal_lease",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.String(40), nullable=False),
        sa.Column("ttl_s", sa.Float, nullable=False),
    )
    free = {
        "id": 1,
        "holder": "",
        "host": "",
        "epoch": 0,
        "expires_at": "1970-01-01T00:00:00+00:00",
        "ttl_s": 0,
    }
    op.bulk_insert(lease, [free])
    op.create_table(
        "journal_requests",
        sa.Column("id", _Key, primary_key=True, autoincrement=True),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "profiles",
        sa.Column("id", _Key, primary_key=True, autoincrement=True),
        sa.Column("code_sha256", sa.String(64), nullable=False),
        sa.Column("measured_at", sa.String(40), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("profiles_by_code", "profiles", ["code_sha256", "measured_at"])
