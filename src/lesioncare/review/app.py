"""The routes of the review's server."""

from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from lesioncare.boxes.boxset import check_name
from lesioncare.errors import LesionCareError
from lesioncare.review.events import MAX_BOXES_OF_IMAGE, ChangeAction, boxes_from_json
from lesioncare.review.page import page_files
from lesioncare.review.pictures import Pictures
from lesioncare.review.reviewing import Change, Review, Wanted
from lesioncare.review.store import Filter, NotWritten

_FOR_AN_HOUR = {"cache-control": "private, max-age=3600"}
_NEVER = {"cache-control": "no-store"}
MAX_REVIEWER = 80
_PAGE_OF_IMAGES = 200

Reviewer = Annotated[str, Field(min_length=1, max_length=MAX_REVIEWER)]
Number = Annotated[int, Field(ge=1, le=2**53)]
Key = Annotated[str, Field(pattern=r"^[0-9a-f-]{16,40}$")]

__all__ = ["bare_app", "review_app"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ChangeIn(_Strict):
    """A change, as the page sends it; see `Change`."""

    key: Key
    reviewer: Reviewer
    image: Number
    action: ChangeAction
    boxes: list[dict[str, Any]] = Field(max_length=MAX_BOXES_OF_IMAGE)
    seen: list[Number] = Field(default=[], max_length=1000)
    decision: Literal["accepted", "rejected"] | None = None


class StepIn(_Strict):
    """An undo or redo, as the page sends it."""

    key: Key
    reviewer: Reviewer


class FilterIn(BaseModel):
    """The filter of a list of images, and where the list goes on."""

    model_config = ConfigDict(extra="forbid")

    reviewer: Reviewer
    status: Wanted = "todo"
    label: str | None = None
    source: str | None = None
    min_score: float = Field(default=0.0, ge=0, le=1)
    max_score: float = Field(default=1.0, ge=0, le=1)
    trust: float = -1.0
    number: int = Field(default=0, ge=0, le=2**53)
    limit: int = Field(default=50, ge=1, le=_PAGE_OF_IMAGES)

    def to_filter(self) -> Filter:
        """What the store is asked for."""
        return Filter(self.label or None, self.source or None, self.min_score, self.max_score)


def bare_app(start: str) -> FastAPI:
    """An app with the files of the page, and errors as json with a message for people.

    Args:
        start: name of the page that is shown first.
    """
    # No generated documentation: its page loads scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    assets = page_files()

    @app.exception_handler(LesionCareError)
    def refuse(request: Request, error: LesionCareError) -> JSONResponse:  # noqa: ARG001
        # The page gives up what is refused, and tries again what the server cannot do now.
        return JSONResponse({"detail": str(error)}, 503 if isinstance(error, NotWritten) else 422)

    @app.exception_handler(RequestValidationError)
    def refuse_form(request: Request, error: RequestValidationError) -> JSONResponse:  # noqa: ARG001
        # Without what was sent, which may be no json (infinity).
        where = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        return JSONResponse({"detail": f"the request cannot be understood: {where}"}, 422)

    @app.get("/")
    def first() -> Response:
        return asset(start)

    @app.get("/page/{name}")
    def asset(name: str) -> Response:
        if name not in assets:
            raise HTTPException(404, "there is no such file")
        content, kind = assets[name]
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    return app


def review_app(review: Review, pictures: Pictures) -> FastAPI:
    """The app of a review."""
    app = bare_app("review.html")
    _add_reading(app, review, pictures)
    _add_pictures(app, review, pictures)
    _add_changes(app, review, pictures)
    return app


def _add_reading(app: FastAPI, review: Review, pictures: Pictures) -> None:
    @app.get("/api/setup")
    def setup(response: Response) -> dict[str, Any]:
        response.headers.update(_NEVER)
        return {
            "name": review.store.path.name,
            "classes": review.store.classes,
            "sources": review.store.sources(),
            "maps": list(pictures.maps),
            "reviewers": review.state.reviewers(),
            "independent": review.independent,
            "total": review.store.count(),
        }

    @app.get("/api/queue")
    def queue(asked: Annotated[FilterIn, Query()], response: Response) -> list[dict[str, Any]]:
        response.headers.update(_NEVER)
        after = (asked.trust, asked.number)
        return review.queue(asked.reviewer, asked.to_filter(), asked.status, after, asked.limit)

    @app.get("/api/progress")
    def progress(asked: Annotated[FilterIn, Query()], response: Response) -> dict[str, int]:
        response.headers.update(_NEVER)
        return review.progress(asked.reviewer, asked.to_filter())

    @app.get("/api/images/{number}")
    def image(number: Number, reviewer: Reviewer, response: Response) -> dict[str, Any]:
        response.headers.update(_NEVER)
        return _shown(review, pictures, number, reviewer)


def _add_pictures(app: FastAPI, review: Review, pictures: Pictures) -> None:
    @app.get("/pictures/{number}")
    def picture(
        number: Number, side: Annotated[int, Query(ge=1, le=100_000)] = 1024, layer: str | None = None
    ) -> Response:
        record, original = review.store.image(number)
        if layer is None:
            content = pictures.jpeg(record.id, side)
        else:
            label = next((box.label for box in original.boxes if box.label), None)
            content = pictures.jpeg_with_map(record.id, side, layer, label)
        return Response(content, media_type="image/jpeg", headers=_FOR_AN_HOUR)


def _add_changes(app: FastAPI, review: Review, pictures: Pictures) -> None:
    @app.post("/api/changes")
    def change(sent: ChangeIn) -> dict[str, Any]:
        reviewer = check_name(sent.reviewer, "a reviewer's name")
        record, _ = review.store.image(sent.image)
        review.record(
            Change(
                key=sent.key,
                reviewer=reviewer,
                image=sent.image,
                action=sent.action,
                boxes=boxes_from_json(sent.boxes, record.id),
                seen=tuple(sent.seen),
                decision=sent.decision,
            )
        )
        return review.image(sent.image, reviewer)

    @app.post("/api/undo")
    def undo(sent: StepIn) -> dict[str, Any]:
        return _stepped(review, pictures, review.undo(sent.reviewer, sent.key), sent.reviewer)

    @app.post("/api/redo")
    def redo(sent: StepIn) -> dict[str, Any]:
        return _stepped(review, pictures, review.redo(sent.reviewer, sent.key), sent.reviewer)


def _stepped(review: Review, pictures: Pictures, number: int | None, reviewer: str) -> dict[str, Any]:
    return {"image": None if number is None else _shown(review, pictures, number, reviewer)}


def _shown(review: Review, pictures: Pictures, number: int, reviewer: str) -> dict[str, Any]:
    """An image with its size, which the boxes' file may not tell."""
    shown = review.image(number, reviewer)
    if shown["width"] is None:
        shown["width"], shown["height"] = pictures.size(shown["id"])
    return shown
