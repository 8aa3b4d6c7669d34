"""What AWS refuses with: what passes by itself, and what a person has to do about the rest."""

from __future__ import annotations

from botocore.exceptions import ClientError

LATER = (
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
)
"""Too many requests pass by themselves: the next run tries again."""
EXPIRED = (
    "its credentials expired: the function's role gives new ones, and whoever runs it by hand logs in again"
)
EXPIRED_CODES = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
REFUSED = "its role may not do this: see the permissions in docs/cloud.md"
ADVICE = {
    **dict.fromkeys(EXPIRED_CODES, EXPIRED),
    "AccessDenied": REFUSED,
    "AccessDeniedException": REFUSED,
    "UnauthorizedOperation": REFUSED,
    "OperationNotPermitted": "it is protected from being stopped: take that away, or stop it yourself",
    "UnsupportedOperation": "this instance cannot be stopped: terminate it yourself",
    "ResourceNotFoundException": "there is no such table or function: look at the environment's variables",
    "RuleNotFound": "a rule in ROUTES is not there: apply Terraform again",
    "TargetGroupNotFound": "a target group in ROUTES is not there: apply Terraform again",
    "ParameterNotFound": "a parameter of SSM is not there: apply Terraform again",
}
OTHERWISE = "it is tried again by the next run"


class Failed(Exception):
    """A function could not do what it is for; Lambda counts it as an error, and its alarm tells a person."""


class Unreadable(Exception):
    """AWS answered, and not with what was asked."""


def code(fault: Exception) -> str:
    """As AWS names it; else the exception's name."""
    if isinstance(fault, ClientError):
        return str(fault.response["Error"]["Code"])
    return type(fault).__name__


def advice(fault: Exception) -> str:
    """What a person has to do."""
    return ADVICE.get(code(fault), OTHERWISE)
