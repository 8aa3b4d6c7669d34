"""What schemathesis loads beside its own checks: requests that can succeed, and a check of our own.

Left to the schemas alone, nearly every request is refused for a voice, a job or a recording that does not
exist. So some of the valid ones are given what does, of the file that SCHEMATHESIS_KNOWN names.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis.strategies import binary, just, one_of
from schemathesis import Case, CheckContext, HookContext, Response

KNOWN: dict[str, Any] = json.loads(Path(os.environ["SCHEMATHESIS_KNOWN"]).read_text(encoding="utf-8"))
NOUNS = re.compile(r"'(?!payload\.)[^']+'(: | is required$)|unknown field '(?!payload\.)")
"""How servers/speech.py begins what it says of a field that a noun does not take. What a payload may hold is
each backend's own, and no document says it."""
CHOSEN = {"model", "model_id", "voice", "language", "language_code", "result_path", "output", "s3"}
"""Fields whose values have to exist: left out, they do."""
EVERY, EVERY_RECORDING = 2, 6
"""Of so many valid requests one is given what exists; to recognise a recording takes longer."""
schemathesis.openapi.format("binary", one_of(just(bytes.fromhex(KNOWN["recording"])), binary()))
sent: Counter[str] = Counter()


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:  # noqa: ARG001 - the hook's own
    if not _is_valid(case):
        return
    body = case.body
    sent[case.operation.label] += 1
    every = EVERY_RECORDING if isinstance(body, dict) and body.keys() & {"audio", "items"} else EVERY
    if sent[case.operation.label] % every:
        return
    case.headers.pop("Idempotency-Key", None)  # one key for several requests is a conflict
    case.headers.pop("Last-Event-ID", None)
    case.query.pop("from", None)
    case.path_parameters.update({name: KNOWN[name] for name in case.path_parameters if name in KNOWN})
    if isinstance(body, dict) and "file" not in body:  # a form that a hook has changed counts as invalid
        case.body = _possible(body)


@schemathesis.check
def what_the_schema_admits_the_noun_takes(
    ctx: CheckContext,  # noqa: ARG001 - the hook's own
    response: Response,
    case: Case,
) -> None:
    """There may be no such voice, or nothing to say; but each field is as it has to be."""
    if _is_valid(case) and response.status_code in (400, 422):
        message = response.json()["error"]["message"]
        assert not NOUNS.match(message), f"the schema admits what the noun refuses: {message}"


def _is_valid(case: Case) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _possible(body: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in body.items() if name not in CHOSEN}


def _value(name: str, value: Any) -> Any:
    match name, value:
        case (("audio" | "text" | "input" | "model_type"), str()):
            return KNOWN[name]
        case "payload", _:
            return KNOWN[name]
        case "texts", list():
            return [KNOWN["text"]]
        case (("items" | "jobs"), list()):
            return [_possible(each) for each in value[:1]]
    return value
