"""A listener's rules: which request each is for."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """`path` and `query` as they came, nothing decoded."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""
    trace_id: str = field(default_factory=lambda: f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]}")

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str:
        """The last one of that name; "" where there is none."""
        found = [value for each, value in self.headers if each.lower() == name.lower()]
        return found[-1] if found else ""


def rules_of(elbv2: Any, listener_arn: str) -> list[Rule]:
    """By priority, the default last."""
    pages = elbv2.get_paginator("describe_rules").paginate(ListenerArn=listener_arn)
    rules = [rule for page in pages for rule in page["Rules"]]
    return sorted(rules, key=lambda rule: (rule["IsDefault"], _priority(rule)))


def _priority(rule: Rule) -> int:
    return 0 if rule["IsDefault"] else int(rule["Priority"])


def actions(rules: Sequence[Rule], request: Request) -> Iterator[dict[str, Any]]:
    """Of the first rule that applies; the last of them ends the request."""
    for rule in rules:
        if all(_applies(condition, request) for condition in rule["Conditions"]):
            yield from sorted(rule["Actions"], key=lambda action: action.get("Order", 1))
            return


def _applies(condition: Mapping[str, Any], request: Request) -> bool:
    """Paths with regard to case, everything else without. A condition of another field is not guessed at."""
    match condition["Field"]:
        case "path-pattern":
            return any(
                _pattern(value).fullmatch(request.path) for value in _values(condition, "PathPatternConfig")
            )
        case "http-header":
            config = condition["HttpHeaderConfig"]
            found = [value for name, value in request.headers if name.lower() == _name(config).lower()]
            return any(
                _pattern(value.lower()).fullmatch(each.lower())
                for value in config["Values"]
                for each in found
            )
        case "host-header":
            host = request.header("host").partition(":")[0].lower()
            return any(
                _pattern(value.lower()).fullmatch(host) for value in _values(condition, "HostHeaderConfig")
            )
        case "http-request-method":
            return request.method in _values(condition, "HttpRequestMethodConfig")
        case other:
            raise NotImplementedError(f"a rule's condition on {other}")


def _name(config: Mapping[str, Any]) -> str:
    return str(config["HttpHeaderName"])


def _values(condition: Mapping[str, Any], config: str) -> Sequence[str]:
    """They stand in the field's own configuration, or, of an older form, beside it."""
    return (condition.get(config) or {}).get("Values") or condition.get("Values") or ()


@cache
def _pattern(value: str) -> re.Pattern[str]:
    """* is any characters or none, ? is one."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(each) or re.escape(each) for each in value), re.DOTALL)
