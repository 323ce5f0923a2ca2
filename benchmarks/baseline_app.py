"""Baseline peer: what an ordinary team would write from the spec.

FastAPI + pydantic v2 + SQLAlchemy 2 async ORM + asyncpg, one transaction a request, uvicorn.
No group commit, no raw SQL, no caches. See README.md for how it is measured.
"""

import datetime as dt
import enum
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import BigInteger, DateTime, Enum, ForeignKey, Index, UniqueConstraint, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+asyncpg://postgres@127.0.0.1:18190/baseline")
JWT_SECRET = os.environ.get("JWT_SECRET", "0123456789abcdef0123456789abcdef-stack-test-secret")

engine = create_async_engine(DATABASE_URL, pool_size=int(os.environ.get("POOL_SIZE", "10")), max_overflow=10, pool_timeout=60)
Session = async_sessionmaker(engine, expire_on_commit=False)


class ActivityType(enum.StrEnum):
    video_watch = "video_watch"
    reading = "reading"
    quiz_attempt = "quiz_attempt"
    assignment = "assignment"
    discussion = "discussion"


class UnitStatus(enum.StrEnum):
    in_progress = "IN_PROGRESS"
    completed = "COMPLETED"


# ------------------------------------------------------------------ tables
class Base(DeclarativeBase):
    pass


class ActivityEvent(Base):
    __tablename__ = "activity_events"
    __table_args__ = (Index("ix_activity_events_course_user_start", "course_id", "user_id", "start_time"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int]
    course_id: Mapped[int]
    module_id: Mapped[int]
    unit_id: Mapped[int]
    activity_type: Mapped[ActivityType] = mapped_column(Enum(ActivityType, native_enum=False, length=32))
    duration_seconds: Mapped[int]
    scroll_depth: Mapped[float]
    video_watch_percentage: Mapped[float]
    interaction_count: Mapped[int]
    start_time: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    end_time: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Enrollment(Base):
    __tablename__ = "enrollments"
    __table_args__ = (UniqueConstraint("course_id", "user_id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    course_id: Mapped[int]
    user_id: Mapped[int]
    status: Mapped[str]
    overall_progress: Mapped[float] = mapped_column(default=0.0)
    enrolled_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    last_activity_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    items: Mapped[list["UnitProgress"]] = relationship(back_populates="enrollment", order_by="UnitProgress.unit_id")


class UnitProgress(Base):
    __tablename__ = "unit_progress"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    enrollment_id: Mapped[int] = mapped_column(ForeignKey("enrollments.id"), index=True)
    module_id: Mapped[int]
    unit_id: Mapped[int]
    status: Mapped[str]
    completion_percentage: Mapped[float]
    time_spent_seconds: Mapped[int]
    attempts: Mapped[int]
    score: Mapped[float | None]
    first_accessed_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    last_accessed_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    completed_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    enrollment: Mapped[Enrollment] = relationship(back_populates="items")


# ------------------------------------------------------------------ schemas
class EngagementMetrics(BaseModel):
    scroll_depth: float = Field(ge=0, le=100)
    video_watch_percentage: float = Field(ge=0, le=100)
    interaction_count: int = Field(ge=0)


class EventIn(BaseModel):
    activity_type: ActivityType
    course_id: int = Field(ge=1)
    module_id: int = Field(ge=1)
    unit_id: int = Field(ge=1)
    duration_seconds: int = Field(ge=0, le=86400)
    engagement_metrics: EngagementMetrics
    start_time: dt.datetime
    end_time: dt.datetime

    @model_validator(mode="after")
    def check_times(self) -> "EventIn":
        if self.end_time < self.start_time:
            raise ValueError("end_time is before start_time")
        return self


class BatchIn(BaseModel):
    events: list[EventIn] = Field(min_length=1, max_length=500)


class HeartbeatIn(BaseModel):
    course_id: int = Field(ge=1)
    module_id: int = Field(ge=1)
    unit_id: int = Field(ge=1)
    is_active: bool
    active_seconds: int = Field(ge=0, le=60)
    timestamp: dt.datetime


class UpdateIn(BaseModel):
    course_id: int = Field(ge=1)
    unit_id: int = Field(ge=1)
    status: UnitStatus
    completion_percentage: float = Field(ge=0, le=100)
    time_spent_seconds: int = Field(ge=0)


class EventOut(BaseModel):
    id: int
    status: str


class BatchItemOut(BaseModel):
    index: int
    id: int
    status: str


class BatchOut(BaseModel):
    accepted: int
    rejected: int
    results: list[BatchItemOut]


class UnitProgressOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    module_id: int
    unit_id: int
    status: str
    completion_percentage: float
    time_spent_seconds: int
    attempts: int
    score: float | None
    first_accessed_at: dt.datetime
    last_accessed_at: dt.datetime
    completed_at: dt.datetime | None


class HeartbeatOut(BaseModel):
    time_spent_seconds: int


class ProgressOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    course_id: int
    user_id: int
    status: str
    overall_progress: float
    enrolled_at: dt.datetime
    last_activity_at: dt.datetime
    items: list[UnitProgressOut]


# ------------------------------------------------------------------ dependencies
bearer = HTTPBearer()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with Session() as session:
        yield session


async def get_current_user_id(cred: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> int:
    try:
        claims = jwt.decode(cred.credentials, JWT_SECRET, algorithms=["HS256"])
        return int(claims["sub"])
    except (jwt.PyJWTError, KeyError, ValueError):
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "invalid token") from None


Db = Annotated[AsyncSession, Depends(get_session)]
UserId = Annotated[int, Depends(get_current_user_id)]


async def seed(session: AsyncSession) -> None:
    now = dt.datetime(2026, 11, 20, 10, 11, 12, 345678, tzinfo=dt.UTC)
    for u in range(1, int(os.environ.get("LEARNERS", "1000")) + 1):
        session.add(
            Enrollment(
                course_id=1,
                user_id=u,
                status="active",
                overall_progress=42.5,
                enrolled_at=now,
                last_activity_at=now,
                items=[
                    UnitProgress(
                        module_id=i // 5 + 1,
                        unit_id=i + 1,
                        status="completed",
                        completion_percentage=100.0,
                        time_spent_seconds=1234 + i,
                        attempts=2,
                        score=87.5,
                        first_accessed_at=now,
                        last_accessed_at=now,
                        completed_at=now,
                    )
                    for i in range(20)
                ],
            )
        )
    await session.commit()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    if os.environ.get("CREATE_TABLES", "1") == "1":
        async with engine.begin() as conn:
            await conn.run_sync(Base.metadata.create_all)
        async with Session() as session:
            if (await session.execute(select(Enrollment.id).limit(1))).first() is None:
                await seed(session)
    yield
    await engine.dispose()


app = FastAPI(title="Learner activity tracking (baseline)", lifespan=lifespan)


def to_row(user_id: int, e: EventIn) -> ActivityEvent:
    return ActivityEvent(user_id=user_id, **e.model_dump(exclude={"engagement_metrics"}), **e.engagement_metrics.model_dump())


@app.post("/track", status_code=201)
async def track(event: EventIn, db: Db, user_id: UserId) -> EventOut:
    row = to_row(user_id, event)
    db.add(row)
    await db.commit()
    return EventOut(id=row.id, status="recorded")


@app.post("/batch", status_code=201)
async def batch(body: BatchIn, db: Db, user_id: UserId) -> BatchOut:
    rows = [to_row(user_id, e) for e in body.events]
    db.add_all(rows)
    await db.commit()
    return BatchOut(
        accepted=len(rows),
        rejected=0,
        results=[BatchItemOut(index=i, id=r.id, status="recorded") for i, r in enumerate(rows)],
    )


@app.post("/heartbeat")
async def heartbeat(body: HeartbeatIn, db: Db, user_id: UserId) -> HeartbeatOut:
    stmt = (
        select(UnitProgress)
        .join(UnitProgress.enrollment)
        .where(Enrollment.course_id == body.course_id, Enrollment.user_id == user_id, UnitProgress.unit_id == body.unit_id)
        .with_for_update(of=UnitProgress)
    )
    item = (await db.execute(stmt)).scalar_one_or_none()
    if item is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "not enrolled")
    if body.is_active:
        item.time_spent_seconds += body.active_seconds
    item.last_accessed_at = body.timestamp
    await db.commit()
    return HeartbeatOut(time_spent_seconds=item.time_spent_seconds)


@app.post("/progress")
async def update_progress(body: UpdateIn, db: Db, user_id: UserId) -> UnitProgressOut:
    stmt = (
        select(Enrollment)
        .where(Enrollment.course_id == body.course_id, Enrollment.user_id == user_id)
        .options(selectinload(Enrollment.items))
        .with_for_update()
    )
    enrollment = (await db.execute(stmt)).scalar_one_or_none()
    item = next((item for item in enrollment.items if item.unit_id == body.unit_id), None) if enrollment else None
    if enrollment is None or item is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "not enrolled")
    now = dt.datetime.now(dt.UTC)
    item.completion_percentage = max(item.completion_percentage, body.completion_percentage)
    item.time_spent_seconds = max(item.time_spent_seconds, body.time_spent_seconds)
    item.last_accessed_at = enrollment.last_activity_at = now
    if body.status is UnitStatus.completed and item.completed_at is None:
        item.status, item.completed_at = body.status, now
    enrollment.overall_progress = sum(item.completion_percentage for item in enrollment.items) / len(enrollment.items)
    await db.commit()
    return UnitProgressOut.model_validate(item)


@app.get("/progress/{course_id}/{user_id}")
async def progress(course_id: int, user_id: int, db: Db, caller: UserId) -> ProgressOut:
    stmt = (
        select(Enrollment)
        .where(Enrollment.course_id == course_id, Enrollment.user_id == user_id)
        .options(selectinload(Enrollment.items))
    )
    enrollment = (await db.execute(stmt)).scalar_one_or_none()
    if enrollment is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "not enrolled")
    return ProgressOut.model_validate(enrollment)
