"""One's own progress, and the feed."""

from headway.contracts.learner import mapping, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import get, patch
from headway.services import Services


class ProgressRoutes:
    """Read and declare one's own progress, and follow the feed."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._learning = services.learning
        self._subscriptions = services.subscriptions
        self._pages = pages

    @get(
        "/learner/me/progress",
        query=wire.PageQuery,
        responses={200: wire.Many[wire.Progress]},
        etag=True,
        transaction=READ_LARGE,
    )
    async def read(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """Read one's progress in all one's courses, including left ones, the newest enrollment first."""
        walk = self._pages.walk(request)
        found, total = await self._learning.progress(tx, request.caller.user_id, walk)
        return Response(200, mapping.many([mapping.progress(each) for each in found], walk, total))

    @patch(
        "/learner/me/progress/{course_id:str}",
        body=wire.ProgressBody,
        responses={200: wire.One[wire.Progress]},
        transaction=WRITE,
    )
    async def complete(self, request: Request[None, wire.ProgressBody], tx: WriteTransaction) -> Response:
        """Declare all units of a module complete."""
        course_id, module_id = parse_id(request.path["course_id"]), parse_id(request.body.module_id)
        progress = await self._learning.complete_module(tx, request.caller, course_id, module_id)
        return Response(200, wire.One(data=mapping.progress(progress)))

    @get("/learner/feed", query=wire.FeedQuery, responses={200: wire.Feed}, transaction=READ_LARGE)
    async def follow(self, request: Request[wire.FeedQuery, None], tx: ReadTransaction) -> Response:
        """List the entries of a topic after a number, in order: the same that `/ws` sends, for clients that poll."""
        query, limit = request.query, self._pages.limit(request.query.limit)
        topic = f"user:{request.caller.user_id}" if query.topic is None else query.topic
        entries, position = await self._subscriptions.read(tx, request.caller, topic, after=query.after, limit=limit)
        metadata = wire.FeedPosition(newest=position.newest, oldest=position.oldest)
        return Response(200, wire.Feed(data=[mapping.change(entry) for entry in entries], metadata=metadata))
