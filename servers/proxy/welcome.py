"""GET /api/visitor, what a page has to know first; and where clients of other kinds find the servers."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from servers.errors import WrongHost
from servers.proxy.allowance import CHARACTERS, RECORDING_MB, STARTS, allowances
from servers.proxy.answers import Limits
from servers.proxy.exposure import is_public, may_start
from servers.proxy.failures import OF_ASKING
from servers.proxy.forward import passed_on
from servers.proxy.machine import watch
from servers.proxy.security import own_origin
from servers.proxy.upstream import Upstream, upstreams
from servers.proxy.visitors import Visitor, visitor, visitors
from servers.settings import settings
from servers.web.openapi import operation

bp = Blueprint("welcome", __name__)
HEALTH_S = 3.0


@bp.get("/api/visitor")
@operation("Who asks: with a cookie, the token that goes with it, and what they may", errors=(WrongHost,))
def welcome() -> Response:
    who = visitors().welcomed(visitor())
    response = jsonify(
        csrf=visitors().token(who),
        may_start=may_start(settings().proxy),
        has_queue=upstreams().jobs is not None,
        public=is_public(settings().proxy),
        limits=_limits(who),
    )
    visitors().give_cookie(who, response)
    return response


@bp.get("/server_config.json")
@operation("Where clients find the servers: here, and without a key", errors=(WrongHost,))
def server_config() -> dict[str, str]:
    here = f"{own_origin()}/api"
    return {"server_url": here, "whisper_url": f"{here}/whisperx"}


@bp.get("/api/health")
@operation("How the server that speaks is: as its /health", errors=OF_ASKING)
def health() -> dict[str, Any] | Response:
    return _health_of(upstreams().tts)


@bp.get("/api/whisperx/health")
@operation("How the server that listens is: as its /health", errors=OF_ASKING)
def whisperx_health() -> dict[str, Any] | Response:
    return _health_of(upstreams().whisperx)


def _health_of(door: Upstream) -> dict[str, Any] | Response:
    answer = door.request("GET", "/health", timeout_s=HEALTH_S)
    return answer.json() if answer.status == 200 else passed_on(answer)


def _limits(who: Visitor) -> dict[str, float | None]:
    own, here, left = settings().proxy, settings().limits, allowances().left(who)
    return {
        **_limits_of_requests(),
        "max_file_s": here.max_audio_s,  # of what is encoded here, whatever the servers that are asked take
        "max_file_mb": here.max_body_mb,
        "characters_per_day": own.characters_per_day,
        "characters_left": left[CHARACTERS],
        "recording_mb_per_day": own.recording_mb_per_day,
        "recording_mb_left": left[RECORDING_MB],
        "starts_per_day": own.starts_per_day,
        "starts_left": left[STARTS],
    }


def _limits_of_requests() -> dict[str, float | None]:
    """Those of the servers that are asked, as a look has found them: a page asks again before it needs them.
    None where they are not known; and no body larger than what passes here.
    """
    here = settings().limits
    if settings().proxy.server_config is None:
        seen = Limits.model_validate(here, from_attributes=True)
    else:
        last = watch().last
        seen = (last.limits if last is not None else None) or Limits()
    there = seen.max_body_mb
    largest_mb = here.max_body_mb if there is None else min(here.max_body_mb, there)
    return seen.model_dump() | {"max_body_mb": largest_mb}
