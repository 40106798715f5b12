"""One function, two addresses: a page for people, and the same facts as JSON under the address that ends in ``.json``."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from kwartier.web.negotiation import Form, answer
from kwartier.web.rendering import page

Facts = Mapping[str, object]
Page = TypeVar("Page", bound=Callable[..., Facts])
INDEX = "/index"
"""What the first page is called where a name has to be."""


def screen(router: APIRouter, path: str, template: str) -> Callable[[Page], Page]:
    """Serve what the function gives: through ``template`` at ``path``, and as it is at ``path`` and ``.json``.

    The function is called in a worker thread and may ask the database; its signature is that of a route. Its facts have to
    be what JSON can tell.
    """

    def serve(made: Page) -> Page:
        def data(request: Request, facts: Facts) -> Response:
            return answer(request, Form.JSON, facts)

        def shown(request: Request, facts: Facts) -> Response:
            return page(request, template, facts)

        twin = f"{INDEX if path == '/' else path}.json"
        router.add_api_route(
            twin, _with_facts(data, made), methods=["GET"], include_in_schema=False, name=f"{path}.json"
        )
        router.add_api_route(path, _with_facts(shown, made), methods=["GET"], include_in_schema=False, name=path)
        return made

    return serve


def _with_facts(answering: Callable[[Request, Facts], Response], made: Callable[..., Facts]) -> Callable[..., Response]:
    """``answering`` with what ``made`` gives, which FastAPI calls with all that its signature names."""

    def route(request: Request, facts: Facts) -> Response:
        return answering(request, facts)

    parameters = [
        inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request),
        inspect.Parameter("facts", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[object, Depends(made)]),
    ]
    route.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what FastAPI reads instead
    return route
