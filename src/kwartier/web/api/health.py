"""Whether this server lives, whether it can do its work, and what it has counted. Nobody has to sign in for that."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from kwartier.service.readiness import ready
from kwartier.web.desk import AtHand
from kwartier.web.metrics import MEDIA_TYPE

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """It answers, so it lives."""
    return {"state": "alive"}


@router.get("/readyz", responses={503: {"description": "Something that it needs is not there."}})
def able(desk: AtHand) -> Response:
    """Database, audit log and store, each looked at now."""
    found = ready(desk.home)
    is_ready = all(found.values())
    state = {"state": "ready" if is_ready else "not-ready", "checks": dict(found)}
    return JSONResponse(state, status_code=200 if is_ready else 503)


@router.get("/metrics", include_in_schema=False)
async def counted(desk: AtHand) -> Response:
    """For Prometheus."""
    desk.metrics.sessions.set(len(desk.sessions))
    return Response(desk.metrics.text(), media_type=MEDIA_TYPE)
