"""The platform that a log is of, and how its users, courses and activities are named here."""

from typing import NamedTuple

from headway.importers.log_model import Place, UserName, names


class Site(NamedTuple):
    """What is known of the platform beside its log: its name or address, and the course, for logs that do not name one."""

    source: str | None = None
    course: str | None = None

    @property
    def address(self) -> str | None:
        """The address of the platform, if that is how it is named: the ids of statements begin with it."""
        is_address = self.source is not None and self.source.startswith(("http://", "https://"))
        return self.source.rstrip("/") if self.source is not None and is_address else None

    def user(self, name: str, *, email: str | None = None, full_name: str | None = None) -> UserName | None:
        """Return how an account of the platform is named here: its id or login, with the platform in front, or as it is."""
        texts = names(*([f"{self.source}:{name}"] if self.source and name else []), name)
        address = email or (name if "@" in name and ":" not in name else None)
        return UserName(texts, address, full_name) if texts or address else None

    def courses(self, *found: object) -> tuple[str, ...]:
        """Return the external ids that a course may have: what the caller says, or the ids in the log."""
        return names(self.course) if self.course else names(*found)

    def unit(self, module: str | None, number: object) -> tuple[Place, ...]:
        """Return an activity by its number, and by the address of its page if the platform's is known."""
        address = [f"{self.address}/mod/{module}/view.php?id={number}"] if self.address and module else []
        return tuple(Place(text) for text in names(*address, number))

    def course_page(self, number: object) -> list[str]:
        """Return the address of a course, if the platform's is known."""
        return [f"{self.address}/course/view.php?id={number}"] if self.address else []


ANY_SITE = Site()
"""A platform of which nothing is known."""
