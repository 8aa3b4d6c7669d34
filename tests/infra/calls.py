"""Which calls of AWS a function's code makes: read from its source, to compare its role with them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

from servers.settings import ROOT

CODE = ROOT / "lambda"
SERVICES = {
    **{
        name: name
        for name in ("autoscaling", "cloudwatch", "dynamodb", "ec2", "lambda", "pricing", "s3", "sns", "ssm")
    },
    "elbv2": "elasticloadbalancing",
}  # boto3's name, and IAM's
BY_NAME = ("get_paginator", "get_waiter", "generate_presigned_url", "generate_presigned_post")
OTHERWISE = {
    "lambda:Invoke": ["lambda:InvokeFunction"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:DeleteObjects": ["s3:DeleteObject"],
    "dynamodb:TransactWriteItems": ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
}
"""Calls that need other permissions than those of their name."""


def needed(function: str) -> set[str]:
    """IAM's actions, of all modules that the function's handler imports."""
    return {action for module in _imported(f"{function}.handler") for action in _actions(_tree(module))}


def _imported(first: str) -> set[str]:
    found: set[str] = set()
    left = [first]
    while left:
        module = left.pop()
        if module in found or _file(module) is None:
            continue
        found.add(module)
        left += _imports(_tree(module))
    return found


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _actions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name in BY_NAME and node.args and isinstance(node.args[0], ast.Constant):
                name = str(node.args[0].value)
            if call := _api().get(name):
                yield from OTHERWISE.get(call, [call])


@cache
def _api() -> dict[str, str]:
    session = botocore.session.get_session()
    return {
        xform_name(operation): f"{prefix}:{operation}"
        for service, prefix in SERVICES.items()
        for operation in session.get_service_model(service).operation_names
    }


def _file(module: str) -> Path | None:
    path = CODE / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None
    return ast.parse(file.read_text())
