"""What a person is told, by SNS."""

from __future__ import annotations

import json
from typing import Any

from appliance.environment import Environment


def publish(sns: Any, settings: Environment, reason: str, why: str) -> None:
    """`reason` is one word, `why` a sentence that says what the person can do."""
    subject = f"Skylark {settings.appliance}: {reason}".encode("ascii", "replace").decode()
    message = {"appliance": settings.appliance, "reason": reason, "why": why}
    if settings.dashboard_url:
        message["dashboard"] = settings.dashboard_url
    sns.publish(TopicArn=settings.topic_arn, Subject=subject[:100], Message=json.dumps(message, indent=2))
