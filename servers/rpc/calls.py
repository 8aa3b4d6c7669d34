"""What every call of a gRPC service does: whose key it has, and an error as a status."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from servers.errors import InvalidRequest, SkylarkError, Unauthorized
from servers.jobs.request import Requester
from servers.rpc.threads import Aborted, Context, Gone
from servers.web.keys import owner_of

log = logging.getLogger(__name__)
API_KEY, AUTHORIZATION, BEARER = "x-api-key", "authorization", "bearer "
Keys = list[tuple[str, str]]


def owner(context: Context, keys: Keys) -> str | None:
    """The id of the key in the call's metadata; None where none is needed. Raises Unauthorized."""
    if not keys:
        return None
    metadata = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
    given = metadata.get(API_KEY, "")
    authorization = metadata.get(AUTHORIZATION, "")
    if not given and authorization[: len(BEARER)].lower() == BEARER:
        given = authorization[len(BEARER) :]
    if not given:
        raise Unauthorized(f"an API key is needed: as metadata, {API_KEY} or {AUTHORIZATION}: Bearer …")
    found = owner_of(given.encode(), keys)
    if found is None:
        raise Unauthorized("this API key is not known here")
    return found


def requester(context: Context, keys: Keys) -> Requester:
    """Who makes the call, and whether they are there still. Raises Unauthorized."""

    def on_leave(call: Callable[[], object]) -> None:
        if not context.add_callback(call):
            call()

    return Requester(owner=owner(context, keys), connected=context.is_active, on_leave=on_leave)


@contextmanager
def statuses(context: Context) -> Iterator[None]:
    """What is raised inside ends the call: its message as the details, its code and field as metadata."""
    try:
        yield
    except SkylarkError as error:
        fields = {"error": error.code, **context.log_fields}
        if isinstance(error, InvalidRequest) or error.http_status < 500:
            log.info("refused: %s", error.code, extra=fields | {"action": "refuse"})
        else:
            log.warning("failed: %s", error.code, extra=fields | {"action": "fail"})
        abort(context, error)
    except (Aborted, Gone):
        raise
    except Exception as error:
        log.error("a call failed", exc_info=error, extra={"action": "error", **context.log_fields})
        abort(context, SkylarkError("an internal error; the worker's log has it"))


def abort(context: Context, error: SkylarkError) -> None:
    trailing: list[tuple[str, Any]] = [("error-code", error.code)]
    if error.param is not None:
        trailing.append(("error-param", error.param.encode("ascii", "replace").decode()))
    if error.retry_after_s is not None:
        trailing.append(("retry-after-s", f"{error.retry_after_s:g}"))
    context.set_trailing_metadata(tuple(trailing))
    context.abort(getattr(grpc.StatusCode, error.grpc_status), error.message)
