"""The balancer of the tests does what an Application Load Balancer does, as far as the others rely on it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

import boto3
from moto import mock_aws

from tests.cloud.balancer import Balancer
from tests.cloud.function_events import LARGEST_BYTES, json_answer
from tests.cloud.functions import Functions, NoFunction

REGION = "eu-central-1"
NOT_FOUND = {"Type": "fixed-response", "FixedResponseConfig": {
    "StatusCode": "404", "ContentType": "application/json", "MessageBody": '{"error": {"code": "not_found"}}',
}}  # fmt: skip


class Door:
    """A door of the machine: it says what it was asked. `status` is that of its health."""

    def __init__(self, name: str) -> None:
        self.name, self.status = name, 200
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.go_on = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def port(self) -> int:
        return self._http.server_port

    def close(self) -> None:
        self.go_on.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/ready":
                    return self._whole(door.status, b"")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                door.asked.append((self.path, dict(self.headers), body))
                if self.path.endswith("/lines"):
                    return self._lines()
                return self._whole(200, json.dumps({"door": door.name, "path": self.path}).encode())

            do_POST = do_GET  # noqa: N815

            def _whole(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _lines(self) -> None:
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"4\r\none\n\r\n")
                door.go_on.wait(10)
                self.wfile.write(b"4\r\ntwo\n\r\n0\r\n\r\n")

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@cache
def client(service: str) -> Any:
    """They take half a second to make, and serve all tests: moto is beneath them."""
    return boto3.client(service, region_name=REGION)


class Stack:
    """A listener, made as Terraform would make it."""

    def __init__(self) -> None:
        self.elbv2, ec2 = client("elbv2"), client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for n, zone in enumerate("ab")
        ]
        self.vpc, self._rules = vpc, 0
        ids = [subnet["Subnet"]["SubnetId"] for subnet in subnets]
        self.balancer = self.elbv2.create_load_balancer(Name="skylark", Subnets=ids)["LoadBalancers"][0]
        self.listener = self.elbv2.create_listener(
            LoadBalancerArn=self.balancer["LoadBalancerArn"], Protocol="HTTP", Port=80,
            DefaultActions=[NOT_FOUND],
        )["Listeners"][0]["ListenerArn"]  # fmt: skip
        run = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
        self.instance = run["Instances"][0]["InstanceId"]
        self.ec2 = ec2

    def to_machine(self, port: int) -> str:
        made = self.elbv2.create_target_group(
            Name=f"skylark-{port}",
            Protocol="HTTP",
            Port=port,
            VpcId=self.vpc,
            HealthCheckPath="/ready",
            HealthCheckTimeoutSeconds=2,
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": self.instance, "Port": port}])
        return arn

    def to_function(self, name: str) -> str:
        made = self.elbv2.create_target_group(Name=f"skylark-{name}", TargetType="lambda")
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        function = f"arn:aws:lambda:{REGION}:123456789012:function:skylark-{name}"
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": function}])
        return arn

    def rule(self, condition: dict[str, Any], *groups: tuple[str, int]) -> str:
        self._rules += 1
        action = {"Type": "forward", "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in groups],
        }}  # fmt: skip
        made = self.elbv2.create_rule(
            ListenerArn=self.listener, Priority=self._rules, Conditions=[condition], Actions=[action]
        )
        return str(made["Rules"][0]["RuleArn"])


def path(*patterns: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}


def header(name: str, *values: str) -> dict[str, Any]:
    config = {"HttpHeaderName": name, "Values": list(values)}
    return {"Field": "http-header", "HttpHeaderConfig": config}


@pytest.fixture
def stack(monkeypatch) -> Iterator[Stack]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        yield Stack()


@pytest.fixture
def blue() -> Iterator[Door]:
    door = Door("blue")
    yield door
    door.close()


@pytest.fixture
def green() -> Iterator[Door]:
    door = Door("green")
    yield door
    door.close()


@pytest.fixture
def events() -> list[dict[str, Any]]:
    """What the function was called with."""
    return []


@pytest.fixture
def functions(events) -> Iterator[Functions]:
    def start(event: Any, context: Any) -> Any:
        events.append(event)
        assert 0 < context.get_remaining_time_in_millis() <= 30_000
        return event.get("answer") or json_answer(200, {"state": "off"}, Retry_After="60")

    made = Functions({"skylark-machine": start})
    yield made
    made.close()


@pytest.fixture
def balancer(stack, functions, blue, green) -> Iterator[Balancer]:
    ports = {5000: blue.port, 5100: green.port}
    with Balancer(stack.elbv2, stack.listener, functions, ports, idle_s=5) as balancer:
        yield balancer


def asked(balancer: Balancer, path: str, **options: Any) -> requests.Response:
    return requests.request(options.pop("method", "GET"), balancer.url + path, timeout=10, **options)


def test_what_no_rule_is_for_gets_the_default_action(balancer):
    answer = asked(balancer, "/elsewhere")
    assert (answer.status_code, answer.json()) == (404, {"error": {"code": "not_found"}})


def test_a_function_is_called_with_the_event_of_a_load_balancer(stack, balancer, events):
    arn = stack.to_function("machine")
    stack.rule(path("/machine", "/machine/*"), (arn, 1))
    answer = asked(
        balancer,
        "/machine/start?days=3&x=a%20b",
        method="POST",
        json={"why": "ü"},
        headers={"X-API-Key": "k"},
    )
    assert (answer.json(), answer.headers["Retry-After"]) == ({"state": "off"}, "60")
    (event,) = events
    assert event["requestContext"] == {"elb": {"targetGroupArn": arn}}
    assert (event["httpMethod"], event["path"]) == ("POST", "/machine/start")
    assert event["queryStringParameters"] == {"days": "3", "x": "a%20b"}
    assert event["headers"]["x-api-key"] == "k"
    assert event["headers"]["x-amzn-trace-id"].startswith("Root=1-")
    assert (json.loads(event["body"]), event["isBase64Encoded"]) == ({"why": "ü"}, False)
    assert not {"multiValueHeaders", "multiValueQueryStringParameters"} & set(event)


def test_a_body_that_is_no_text_is_in_base64(stack, balancer, events):
    stack.rule(path("/*"), (stack.to_function("machine"), 1))
    asked(balancer, "/transcribe", method="POST", data=b"\x00\xff", headers={"Content-Type": "audio/wav"})
    assert (base64.b64decode(events[0]["body"]), events[0]["isBase64Encoded"]) == (b"\x00\xff", True)


def test_over_1_mb_no_function_is_called(stack, balancer, events):
    stack.rule(path("/*"), (stack.to_function("machine"), 1))
    answer = asked(balancer, "/", method="POST", data=b"x" * (LARGEST_BYTES + 1))
    assert (answer.status_code, events) == (413, [])


@pytest.mark.parametrize(
    "returned",
    [
        {"body": "no status"},
        {"statusCode": 200, "headers": {"Retry-After": 60}},
        {"statusCode": 200, "body": "x" * (LARGEST_BYTES + 1)},
        {"statusCode": 200, "body": "?", "isBase64Encoded": True},
        "text",
    ],
)
def test_an_answer_that_is_none_is_a_502(stack, balancer, functions, returned):
    functions.handlers["skylark-machine"] = lambda _event, _context: returned
    stack.rule(path("/*"), (stack.to_function("machine"), 1))
    assert asked(balancer, "/").status_code == 502
    assert len(functions.failures) == 1


def test_a_function_that_fails_is_a_502_and_the_failure_is_kept(stack, balancer, functions):
    functions.handlers["skylark-machine"] = lambda _event, _context: 1 / 0
    stack.rule(path("/*"), (stack.to_function("machine"), 1))
    assert asked(balancer, "/").status_code == 502
    assert isinstance(functions.failures[0], ZeroDivisionError)


def test_a_port_of_the_machine_is_asked_with_the_path_as_it_came(stack, balancer, blue):
    stack.rule(path("/tts/*"), (stack.to_machine(5000), 1))
    answer = asked(balancer, "/tts/generate_batch?a=%2F", method="POST", data=b"text")
    assert answer.json() == {"door": "blue", "path": "/tts/generate_batch?a=%2F"}
    _, headers, body = blue.asked[0]
    assert (body, headers["X-Forwarded-Proto"]) == (b"text", "https")


def test_an_answer_in_pieces_is_passed_on_as_it_comes(stack, balancer, blue):
    stack.rule(path("/*"), (stack.to_machine(5000), 1))
    with requests.get(f"{balancer.url}/lines", stream=True, timeout=10) as answer:
        lines = answer.iter_lines(chunk_size=None)
        assert next(lines) == b"one"
        blue.go_on.set()
        assert next(lines) == b"two"


def test_a_body_in_pieces_arrives_whole(stack, balancer, blue):
    stack.rule(path("/*"), (stack.to_machine(5000), 1))
    asked(balancer, "/", method="POST", data=iter([b"one", b"two"]))
    assert blue.asked[0][2] == b"onetwo"


@pytest.mark.parametrize(
    ("pattern", "is_for", "is_not_for"),
    [
        ("/tts/*", "/tts/a/b", "/tts"),
        ("/align*", "/align_batch", "/Align"),
        ("/v?/*", "/v1/x", "/v12/x"),
        ("/a.b", "/a.b", "/axb"),
    ],
)
def test_a_path_is_a_pattern(stack, balancer, pattern, is_for, is_not_for):
    stack.rule(path(pattern), (stack.to_machine(5000), 1))
    assert asked(balancer, is_for).status_code == 200
    assert asked(balancer, is_not_for).status_code == 404


def test_a_header_leads_elsewhere_and_comes_first_by_its_priority(stack, balancer):
    blue, green = stack.to_machine(5000), stack.to_machine(5100)
    stack.rule(header("X-Skylark-Place", "green"), (green, 1))
    stack.rule(path("/*"), (blue, 1))
    assert asked(balancer, "/").json()["door"] == "blue"
    assert asked(balancer, "/", headers={"x-skylark-place": "GREEN"}).json()["door"] == "green"
    assert asked(balancer, "/", headers={"X-Skylark-Place": "blue"}).json()["door"] == "blue"


def test_weights_say_how_often_and_a_rule_can_be_changed_meanwhile(stack, balancer):
    blue, green = stack.to_machine(5000), stack.to_machine(5100)
    rule = stack.rule(path("/*"), (blue, 100), (green, 0))
    assert {asked(balancer, "/").json()["door"] for _ in range(5)} == {"blue"}
    groups = [{"TargetGroupArn": blue, "Weight": 0}, {"TargetGroupArn": green, "Weight": 100}]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
    stack.elbv2.modify_rule(RuleArn=rule, Actions=[action])
    assert {asked(balancer, "/").json()["door"] for _ in range(5)} == {"green"}


def test_half_and_half_is_half_and_half(stack, balancer):
    stack.rule(path("/*"), (stack.to_machine(5000), 50), (stack.to_machine(5100), 50))
    numbers = iter([10.0, 90.0])
    balancer._pick = lambda whole: next(numbers)
    assert [asked(balancer, "/").json()["door"] for _ in range(2)] == ["blue", "green"]


def test_no_weight_at_all_is_a_503(stack, balancer):
    stack.rule(path("/*"), (stack.to_machine(5000), 0), (stack.to_machine(5100), 0))
    assert asked(balancer, "/").status_code == 503


def test_a_machine_that_is_off_is_a_503_and_one_that_does_not_listen_a_502(stack, balancer):
    stack.rule(path("/a"), (stack.to_machine(5200), 1))
    assert asked(balancer, "/a").status_code == 502
    stack.ec2.stop_instances(InstanceIds=[stack.instance])
    assert asked(balancer, "/a").status_code == 503


def test_a_target_that_does_not_answer_is_a_504(stack, functions, blue):
    stack.rule(path("/*"), (stack.to_machine(5000), 1))
    with Balancer(stack.elbv2, stack.listener, functions, {5000: blue.port}, idle_s=0.2) as impatient:
        blue._http.shutdown()  # it listens on, and takes nothing up
        assert asked(impatient, "/").status_code == 504


def test_the_health_that_handlers_are_told_is_what_the_balancer_sees(stack, balancer, blue):
    arn = stack.to_machine(5000)
    elbv2 = boto3.client("elbv2", REGION)

    def health() -> str:
        (target,) = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return str(target["TargetHealth"]["State"])

    balancer.tell_health(elbv2.meta.events)
    assert health() == "healthy"
    blue.status = 503
    assert health() == "unhealthy"
    stack.ec2.stop_instances(InstanceIds=[stack.instance])
    assert health() == "unused"


def test_a_function_invokes_another_one_here(functions, events, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("lambda", REGION)
    functions.serve_invocations(client.meta.events)
    arn = f"arn:aws:lambda:{REGION}:123456789012:function:skylark-machine"
    answered = client.invoke(FunctionName=arn, Payload=json.dumps({"answer": [1]}))
    assert json.loads(answered["Payload"].read()) == [1]
    begun = client.invoke(FunctionName="skylark-machine", InvocationType="Event", Payload=b'{"do": "tick"}')
    assert begun["StatusCode"] == 202
    functions.close()
    assert events[-1] == {"do": "tick"}
    with pytest.raises(NoFunction, match="skylark-other has no handler"):
        client.invoke(FunctionName="skylark-other", Payload=b"{}")
