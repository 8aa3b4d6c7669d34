"""An appliance with its machine, as the toy upstream plays it: what each path answers can be changed."""

from __future__ import annotations

import json
from typing import Any

from tests.proxy.toy_upstream import Talk

OWN = "page-000000000000"
DOOR = {
    "status": "ok",
    "model": "voices",
    "backend": "piper",
    "voice": "joe",
    "model_loaded": True,
    "queue_depth": 0,
    "device": "cpu",
    "uptime_s": 3.0,
}
MACHINE = {
    "appliance": "speech",
    "state": "ready",
    "left_s": None,
    "asked_by": "maria",
    "why": "chapter 3",
    "instance": "i-0123456789abcdef0",
    "holds": [{"by": "maria", "until": 1764533600.5, "why": "chapter 3"}],
    "price_per_hour": 1.258,
    "cost": {"today": 0.4, "month": 12.3, "saved_month": 300.0},
}
MODEL = {"model_type": "piper", "name": "voices", "state": "ready", "vram_mb": 100, "pinned": True}
ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def job(job_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": job_id,
        "model_type": "piper",
        "model": "voices",
        "application_id": "page-somebody-else",
        "priority": 10,
        "status": "running",
        "created_at": 1.5,
        "started_at": 2.5,
        "finished_at": None,
        "last_heartbeat": 3.0,
        "payload": {"task": "synthesize", "text": "what nobody else may read"},
        "result_path": None,
        "result": None,
        "error": None,
        "progress": 0.25,
        "attempt": 1,
    } | fields


def queue(*running: dict[str, Any], queued: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    waiting = [{"model_type": "piper", "model": "voices", "count": len(queued)}] if queued else []
    active = running[0] if running else None
    return {
        "active": active,
        "running": list(running),
        "queued": list(queued),
        "recent": [],
        "waiting": waiting,
    }


def refusal(code: str, message: str = "no") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "param": None}}


class StoodIn:
    """`answers` is a status and a body for each path; bytes are sent as they are, None is silence."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, Any]] = {
            "/tts/health": ("200 OK", DOOR),
            "/whisperx/health": (
                "200 OK",
                DOOR | {"backend": "faster_whisper", "model": "base", "voice": None},
            ),
            "/tts/v1/models": ("200 OK", {"object": "list", "data": []}),
            "/machine": ("200 OK", MACHINE),
            "/queue": ("200 OK", queue()),
            "/models": ("200 OK", {"models": [MODEL]}),
        }

    def __call__(self, talk: Talk) -> None:
        path = talk.asked.line.split()[1]
        status, body = self.answers.get(path, ("404 Not Found", refusal("not_found")))
        if body is None:
            talk.wait_until_gone()
        else:
            talk.whole(body if isinstance(body, bytes) else json.dumps(body).encode(), status=status)

    def all(self, status: str, body: Any) -> None:
        """Whoever is asked answers so."""
        self.answers = dict.fromkeys(self.answers, (status, body))
