"""moto's AWS as a process, with what Terraform asks of a budget and moto 5.2.5 lacks.

These are its tags, a notification's subscribers, and changes. Run it as: python -m tests.infra.moto_aws PORT
"""

from __future__ import annotations

import json
import sys

from moto.budgets.responses import BudgetsResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

_tags: dict[str, list[dict[str, str]]] = {}
_subscribers: dict[str, list[dict[str, str]]] = {}
_create_budget, _create_notification = BudgetsResponse.create_budget, BudgetsResponse.create_notification


def create_budget(asked: BudgetsResponse) -> str:
    _tags[asked._get_param("Budget")["BudgetName"]] = asked._get_param("ResourceTags", [])
    return _create_budget(asked)


def update_budget(asked: BudgetsResponse) -> str:
    wanted = asked._get_param("NewBudget")
    asked.backend.budgets[asked._get_param("AccountId")][wanted["BudgetName"]].budget.update(wanted)
    return "{}"


def list_tags_for_resource(asked: BudgetsResponse) -> str:
    name = asked._get_param("ResourceARN").rpartition("/")[2]
    return json.dumps({"ResourceTags": _tags.get(name, [])})


def create_notification(asked: BudgetsResponse) -> str:
    _subscribers[_notification(asked)] = asked._get_param("Subscribers", [])
    return _create_notification(asked)


def describe_subscribers_for_notification(asked: BudgetsResponse) -> str:
    return json.dumps({"Subscribers": _subscribers.get(_notification(asked), [])})


def _notification(asked: BudgetsResponse) -> str:
    return json.dumps([asked._get_param("BudgetName"), asked._get_param("Notification")], sort_keys=True)


def serve(port: int) -> None:
    for method in (
        create_budget,
        update_budget,
        list_tags_for_resource,
        create_notification,
        describe_subscribers_for_notification,
    ):
        setattr(BudgetsResponse, method.__name__, method)
    app = DomainDispatcherApplication(create_backend_app)
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
