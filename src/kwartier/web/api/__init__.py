"""The routes for programs: one file a subject, and one line here that lets it in.

Each is thin: it turns a query into a question, asks the same service as the command of that name, and tells the answer in the
form that was asked for. What it is told as JSON is what the command prints with ``--json``.
"""

from collections.abc import Sequence

from fastapi import APIRouter

from kwartier.web.api import codes, findings, health, meters, night, readings, settlements, sums, traces, volumes

ROUTES: Sequence[APIRouter] = (
    readings.router,
    volumes.router,
    sums.router,
    night.router,
    settlements.router,
    findings.router,
    traces.router,
    meters.router,
    codes.router,
    health.router,
)
