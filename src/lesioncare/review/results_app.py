"""The routes of `lesioncare report serve`."""

from typing import Annotated, Any

from fastapi import FastAPI, Query, Response

from lesioncare.review.app import bare_app
from lesioncare.review.results import Order, Results

__all__ = ["results_app"]


def results_app(results: Results) -> FastAPI:
    """The app that shows the test images of runs."""
    app = bare_app("results.html")

    @app.get("/api/setup")
    def setup() -> dict[str, Any]:
        first = results.parts[0][0]
        return {"arms": results.names, "classes": results.classes, "rare": first.rare}

    @app.get("/api/examples")
    def examples(
        order: Order = "answer",
        label: str | None = None,
        rare: bool = False,
        start: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> dict[str, Any]:
        found = results.order(order, label, rare)
        shown = [results.describe(int(position)) for position in found[start : start + limit]]
        return {"total": len(found), "examples": shown}

    @app.get("/pictures/{position}")
    def picture(position: int, arm: int | None = None) -> Response:
        content = results.jpeg(position, arm)
        return Response(content, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    return app
