"""Terms that courses are found by, and folded names."""

import sqlalchemy as sa
from alembic import op

from headway.words import fold, index_terms

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PAGE = 500
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    term = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "course_terms",
        sa.Column("term", term, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("term", "course_id", name=op.f("pk_course_terms")),
        sqlite_with_rowid=False,
    )
    op.add_column("users", sa.Column("folded_name", sa.Text(), comment="the name as it is searched"))
    _fill_terms()
    _fill_names()


def downgrade() -> None:
    op.drop_column("users", "folded_name")
    op.drop_table("course_terms")


def _fill_terms() -> None:
    texts: list[sa.ColumnClause[str]] = [sa.column(name) for name in ("title", "description", "subject", "level")]
    courses, terms = (
        sa.table("courses", sa.column("id"), *texts),
        sa.table("course_terms", sa.column("term"), sa.column("course_id")),
    )
    page = sa.select(courses).where(courses.c.id > sa.bindparam("after")).order_by(courses.c.id).limit(_PAGE)
    last = 0
    while found := op.get_bind().execute(page, {"after": last}).all():
        last = found[-1].id
        for course in found:
            exact = {name: text for name in ("subject", "level") if (text := getattr(course, name)) is not None}
            new = index_terms((course.title, course.description or ""), **exact)
            # A title such as "🎉" has no word.
            if new:
                op.get_bind().execute(sa.insert(terms), [{"term": each, "course_id": course.id} for each in sorted(new)])


def _fill_names() -> None:
    users = sa.table("users", *map(sa.column, ("id", "name", "folded_name")))
    page = sa.select(users.c.id, users.c.name).where(users.c.id > sa.bindparam("after")).order_by(users.c.id).limit(_PAGE)
    change = sa.update(users).where(users.c.id == sa.bindparam("user_id")).values(folded_name=sa.bindparam("folded"))
    last = 0
    while found := op.get_bind().execute(page, {"after": last}).all():
        last = found[-1].id
        op.get_bind().execute(change, [{"user_id": user.id, "folded": fold(user.name)} for user in found])
