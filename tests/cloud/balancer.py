"""An Application Load Balancer on loopback: it reads its rules from AWS at each request, and follows them.

Rules lead to functions, which are called in this process as a balancer calls them, or to ports of this
machine.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from appliance.clients import clients
from tests.cloud.function_events import LARGEST_BYTES, Answer, BadAnswer, answer_of, event_of
from tests.cloud.functions import Functions
from tests.cloud.listener_rules import Request, actions, rules_of

CHUNK_BYTES = 65_536
IDLE_S = 60.0
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
    *("transfer-encoding", "upgrade"),
}
Pick = Callable[[float], float]
"""Of a sum of weights, a number from 0 to it."""


class Balancer:
    """One listener. `ports` says where a target's port is on this machine: {5000: 41234}; one that is not in
    it is away. `functions` has the handlers. Close it after use, or use it in a with statement.

    `elbv2` is a client of boto3's; moto's server or its mock is behind it.
    """

    def __init__(
        self,
        elbv2: Any,
        listener_arn: str,
        functions: Functions,
        ports: Mapping[int, int] | None = None,
        *,
        idle_s: float = IDLE_S,
        pick: Pick = lambda whole: random.uniform(0, whole),
    ) -> None:
        self.ports = dict(ports or {})
        self.functions = functions
        self._elbv2, self._listener, self._idle_s, self._pick = elbv2, listener_arn, idle_s, pick
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def __enter__(self) -> Balancer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, request: Request) -> Answer:
        """What the first rule says that applies, by priority; the default action last."""
        for action in actions(rules_of(self._elbv2, self._listener), request):
            match action["Type"]:
                case "fixed-response":
                    return _fixed(action["FixedResponseConfig"])
                case "redirect":
                    return _redirected(action["RedirectConfig"], request)
                case "forward":
                    return self._forwarded(action, request)
                case other:
                    raise NotImplementedError(f"an action of type {other}")
        raise AssertionError("a listener has a default action")

    def _forwarded(self, action: dict[str, Any], request: Request) -> Answer:
        arn = _chosen(action, self._pick)
        if arn is None:
            return _error(503, "no target group has a weight")
        (group,) = self._elbv2.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
        found = self._elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        targets = [each["Target"] for each in found if each["TargetHealth"]["State"] != "unused"]
        if not targets:
            return _error(503, f"{group['TargetGroupName']} has no targets")
        if group["TargetType"] == "lambda":
            return self._called(arn, targets[0]["Id"], request)
        # As AWS does it: where none is healthy, all are asked.
        healthy = [target for target in targets if self.is_healthy(group, target)] or targets
        return self._asked(healthy[0].get("Port", group.get("Port")), request)

    def _called(self, arn: str, function: str, request: Request) -> Answer:
        if len(request.body) > LARGEST_BYTES:
            return _error(413, "the body is over 1 MB")
        try:
            return answer_of(self.functions.call(function, event_of(request, arn)))
        except Exception as failure:  # noqa: BLE001 - a function that fails is a 502, whatever it failed with
            self.functions.failures.append(failure)
            return _error(502, "the function failed" if not isinstance(failure, BadAnswer) else str(failure))

    def _asked(self, port: int, request: Request) -> Answer:
        if port not in self.ports:
            return _error(502, f"nothing listens at {port}")
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=self._idle_s)
        try:
            connection.request(request.method, request.target, request.body, _passed_on(request))
            response = connection.getresponse()
        except TimeoutError:
            connection.close()
            return _error(504, f"{port} did not answer in {self._idle_s:.0f} s")
        except (OSError, http.client.HTTPException) as fault:
            connection.close()
            return _error(502, f"{port}: {fault}")
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
        return Answer(response.status, headers, _pieces(connection, response))

    def is_healthy(self, group: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
        """Whether the target answers the group's health check with one of its codes."""
        port = self.ports.get(target.get("Port", group.get("Port")))
        if port is None:
            return False
        connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=group.get("HealthCheckTimeoutSeconds", 5)
        )
        try:
            connection.request("GET", group.get("HealthCheckPath", "/"))
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return _is_among(status, group.get("Matcher", {}).get("HttpCode", "200"))

    def tell_health(self, events: Any) -> None:
        """DescribeTargetHealth says from here on what this balancer sees, as moto says healthy of everything.

        `events` as `Functions.serve_invocations` has it.
        """
        events.register("after-call.elastic-load-balancing-v2.DescribeTargetHealth", self._seen)

    def _seen(self, parsed: dict[str, Any], context: Any, **_: Any) -> None:
        for each in parsed.get("TargetHealthDescriptions", []):
            target = each["Target"]
            if "Port" not in target or each["TargetHealth"]["State"] != "healthy":
                continue  # a function, or one that moto knows to be stopped
            group = {"HealthCheckPath": self._check_paths().get(target["Port"], "/ready")}
            if not self.is_healthy(group, target):
                each["TargetHealth"] = {"State": "unhealthy", "Reason": "Target.FailedHealthChecks"}

    def _check_paths(self) -> dict[int, str]:
        groups = self._elbv2.describe_target_groups()["TargetGroups"]
        return {group["Port"]: group.get("HealthCheckPath", "/") for group in groups if group.get("Port")}


@contextmanager
def followed(balancer: Balancer, functions: Functions) -> Iterator[None]:
    """The functions' own clients, by this process's environment, see the targets' health as the balancer, and
    invoke each other.
    """
    client = clients(os.environ)
    health, invoke = client("elbv2").meta.events, client("lambda").meta.events
    balancer.tell_health(health)
    functions.serve_invocations(invoke)
    yield
    health.unregister("after-call.elastic-load-balancing-v2.DescribeTargetHealth", balancer._seen)
    invoke.unregister("before-call.lambda.Invoke", functions._invoked)


def _chosen(action: dict[str, Any], pick: Pick) -> str | None:
    """A target group by weight, whether its targets are healthy or not, as AWS does it."""
    groups = action.get("ForwardConfig", {}).get("TargetGroups") or [
        {"TargetGroupArn": action["TargetGroupArn"]}
    ]
    if len(groups) == 1:
        return str(groups[0]["TargetGroupArn"])
    whole = sum(group.get("Weight", 1) for group in groups)
    at = pick(whole)
    for group in groups:
        at -= group.get("Weight", 1)
        if at <= 0 and group.get("Weight", 1) > 0:
            return str(group["TargetGroupArn"])
    return None


def _fixed(config: dict[str, Any]) -> Answer:
    headers = [("Content-Type", config.get("ContentType", "text/plain"))]
    return Answer(int(config["StatusCode"]), headers, [config.get("MessageBody", "").encode()])


def _redirected(config: dict[str, Any], request: Request) -> Answer:
    path, query = request.path, request.query
    place = "{}://{}:{}{}".format(
        config.get("Protocol", "http").replace("#{protocol}", "http").lower(),
        config.get("Host", "#{host}").replace("#{host}", request.header("host").partition(":")[0]),
        config.get("Port", "#{port}").replace("#{port}", request.header("host").partition(":")[2]),
        config.get("Path", "/#{path}").replace("#{path}", path.lstrip("/")),
    )
    asked = config.get("Query", "#{query}").replace("#{query}", query)
    status = 301 if config["StatusCode"] == "HTTP_301" else 302
    return Answer(status, [("Location", f"{place}?{asked}" if asked else place)], [])


def _error(status: int, why: str) -> Answer:
    """As the balancer's own: HTML, and nothing of Skylark's. `why` is for whoever reads a test's failure."""
    page = f"<html><head><title>{status}</title></head><body><center>{why}</center></body></html>"
    headers = [("Server", "awselb/2.0"), ("Content-Type", "text/html")]
    return Answer(status, headers, [page.encode()])


def _passed_on(request: Request) -> dict[str, str]:
    left = {"content-length", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"} | HOP_BY_HOP
    kept = {name: value for name, value in request.headers if name.lower() not in left}
    told = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
    return kept | told | {"X-Amzn-Trace-Id": request.trace_id}


def _pieces(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Iterator[bytes]:
    """As they come."""
    try:
        while piece := response.read1(CHUNK_BYTES):
            yield piece
    finally:
        connection.close()


def _is_among(status: int, codes: str) -> bool:
    """`codes` as a matcher has them: 200, 200,302 or 200-399."""
    for each in codes.split(","):
        first, _, last = each.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


def _handler(balancer: Balancer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            request = Request(
                self.command, split.path or "/", split.query, list(self.headers.items()), self._body()
            )
            answer = balancer.answer(request)
            self._send(answer)

        do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = do_GET  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            length = next((value for name, value in answer.headers if name.lower() == "content-length"), None)
            body = answer.body
            if length is None and isinstance(body, list):
                length = str(sum(map(len, body)))
                self.send_header("Content-Length", length)
            for name, value in answer.headers:
                if name.lower() not in HOP_BY_HOP | {"date"}:
                    self.send_header(name, value)
            if length is None:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in body:
                if self.command != "HEAD" and piece:
                    self.wfile.write(piece if length is not None else b"%x\r\n%s\r\n" % (len(piece), piece))
            if length is None and self.command != "HEAD":
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    return Handler
