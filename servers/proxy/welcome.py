"""GET /api/visitor, what a page has to know first; and where clients of other kinds find the servers."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from servers.errors import WrongHost
from servers.proxy.allowance import CHARACTERS, RECORDING_MB, allowances
from servers.proxy.exposure import is_public
from servers.proxy.failures import OF_ASKING
from servers.proxy.forward import passed_on
from servers.proxy.security import own_origin
from servers.proxy.upstream import upstreams
from servers.proxy.visitors import Visitor, visitor, visitors
from servers.settings import settings
from servers.web.openapi import operation

bp = Blueprint("welcome", __name__)
HEALTH_S = 3.0


@bp.get("/api/visitor")
@operation("Who asks: with a cookie, the token that goes with it, and what they may", errors=(WrongHost,))
def welcome() -> Response:
    who = visitors().welcomed(visitor())
    public = is_public(settings().proxy)
    response = jsonify(csrf=visitors().token(who), may_start=may_start(), public=public, limits=_limits(who))
    visitors().give_cookie(who, response)
    return response


@bp.get("/server_config.json")
@operation("Where clients find the servers: here, and without a key", errors=(WrongHost,))
def server_config() -> dict[str, str]:
    here = f"{own_origin()}/api"
    return {"server_url": here, "whisper_url": here}


@bp.get("/api/health")
@operation("How the server that speaks is: as its /health", errors=OF_ASKING)
def health() -> dict[str, Any] | Response:
    answer = upstreams().tts.request("GET", "/health", timeout_s=HEALTH_S)
    return answer.json() if answer.status == 200 else passed_on(answer)


def may_start() -> bool:
    """Whether visitors may start the machine, if there is one: where strangers come, only if that is said."""
    proxy = settings().proxy
    return not is_public(proxy) if proxy.allow_start is None else proxy.allow_start


def _limits(who: Visitor) -> dict[str, float | None]:
    limits, own, left = settings().limits, settings().proxy, allowances().left(who)
    return {
        "max_text_chars": limits.max_text_chars,
        "max_body_mb": limits.max_body_mb,
        "max_audio_s": limits.max_audio_s,
        "characters_per_day": own.characters_per_day,
        "characters_left": left[CHARACTERS],
        "recording_mb_per_day": own.recording_mb_per_day,
        "recording_mb_left": left[RECORDING_MB],
    }
