"""Profiles: what rehearsals and runs have measured about a job's code."""

from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError

from shoestring.domain import codec
from shoestring.domain.errors import BadInput
from shoestring.domain.run import Profile
from shoestring.store.database import open_database, reason, unavailable
from shoestring.store.schema import profiles

PROFILES_MAX = 1000  # newest ones that are looked at


class SqlRecords:
    """See :class:`shoestring.ports.Records`. ``place`` is as for SqlJournal, and may be the same database."""

    def __init__(self, place: str | Path) -> None:
        self._database = open_database(place)

    def put_profile(self, profile: Profile) -> None:
        values = {
            "code_sha256": profile.code_sha256,
            "measured_at": profile.measured_at.isoformat(),
            "body": codec.dumps(profile),
        }
        try:
            with self._database.writer.begin() as connection:
                connection.execute(insert(profiles).values(values))
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(self._database.name, "could not be written", reason(error)) from error

    def profiles(self, code_sha256: str) -> tuple[Profile, ...]:
        newest_first = (profiles.c.measured_at.desc(), profiles.c.id.desc())
        of_code = select(profiles.c.body).where(profiles.c.code_sha256 == code_sha256)
        try:
            with self._database.reader.connect() as connection:
                bodies = connection.scalars(of_code.order_by(*newest_first).limit(PROFILES_MAX)).all()
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(self._database.name, "could not be read", reason(error)) from error
        return tuple(self._profile(body) for body in bodies)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _profile(self, body: str) -> Profile:
        try:
            profile: Profile = codec.loads(Profile, body)
        except ValueError as error:
            raise BadInput(
                f"{self._database.name}: a profile this shoestring can't read: {error}",
                next_step="use the version of shoestring that wrote it, or a newer one",
            ) from error
        return profile
