"""Reception against moto's AWS: what is accepted, refused and answered while the machine is off."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from appliance.exchange import read
from appliance.starts import Start, Starts, State
from reception import handler as module
from reception.works import MOST_WORKS, UPLOAD_S, URL_S
from tests.lambda_.cloud import OWNER
from tests.lambda_.reception.door import OTHERS_SECRET, SPEAK, event

JOB = {"model_type": "espeak", "payload": {"text": "Hello."}}
HOW = {"FunctionName": "skylark-speech-start", "InvocationType": "Event"}
STARTS = {"do": "start", "by": OWNER, "why": "accepted work"} | HOW


def test_work_is_accepted_into_the_bucket_and_the_table_and_the_machine_is_started(door):
    answer = door.later(path="/tts/v1/tts?a=%20b", Accept="audio/wav", Idempotency_Key="chapter-1")
    assert answer.status == 202
    id = answer.body["id"]
    assert answer.headers["Location"] == answer.body["status_url"] == f"/accepted/{id}"
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert (answer.body["status"], answer.body["result"], answer.body["error"]) == ("waiting", None, None)
    assert set(answer.body["machine"]) == {"state", "stage", "left_s"}
    assert door.objects() == {f"accepted/{id}": json.dumps(SPEAK).encode()}
    assert door.items()[id] == {
        "kind": "waiting",
        "id": id,
        "work": "request",
        "status": "waiting",
        "owner": OWNER,
        "method": "POST",
        "path": "/tts/v1/tts?a=%20b",
        "headers": {
            "content-type": "application/json",
            "accept": "audio/wav",
            "idempotency-key": "chapter-1",
        },
        "body_key": f"accepted/{id}",
        "bytes": len(json.dumps(SPEAK)),
        "priority": 10,
        "accepted_at": door.items()[id]["accepted_at"],
    }
    assert door.items()[id]["accepted_at"] == pytest.approx(door.aws.now)
    assert door.started == [STARTS]


@pytest.mark.parametrize(("path", "body"), [("/jobs", JOB), ("/jobs/batch", {"jobs": [JOB]})])
def test_jobs_are_accepted_whether_one_waits_or_not(door, path, body):
    answer = door.ask("POST", path, body | {"priority": 3} if path == "/jobs" else body)
    assert answer.status == 202
    assert "Preference-Applied" not in answer.headers
    assert door.items()[answer.body["id"]]["priority"] == (3 if path == "/jobs" else 10)


def test_the_order_is_body_table_start_so_that_a_function_may_end_anywhere(door):
    door.aws.called.clear()
    door.later()
    written = [
        call
        for call in door.aws.called
        if call.split(".")[1] in ("PutObject", "TransactWriteItems", "Invoke")
    ]
    assert written == ["s3.PutObject", "dynamodb.TransactWriteItems", "lambda.Invoke"]


class Died(BaseException):
    """The function was ended."""


@pytest.mark.parametrize(
    ("call", "waits"),
    [("dynamodb.PutItem", 0), ("s3.PutObject", 0), ("dynamodb.TransactWriteItems", 0), ("lambda.Invoke", 1)],
)
def test_a_function_that_ends_half_way_and_a_client_that_asks_again_make_one_piece_of_work(door, call, waits):
    def die(number):
        if number == 1:
            raise Died

    door.aws.before(call, die)
    door.before_start = lambda: die(1) if call == "lambda.Invoke" else None
    with pytest.raises(Died):
        door.later(Idempotency_Key="chapter-1")
    assert len(door.items()) == waits
    door.before_start = lambda: None
    answer = door.later(Idempotency_Key="chapter-1")
    assert answer.status == 202
    assert list(door.items()) == [answer.body["id"]]
    assert list(door.objects()) == [f"accepted/{answer.body['id']}"]


def test_the_same_request_with_the_same_key_is_the_same_work_whatever_became_of_it(door):
    first = door.later(Idempotency_Key="k")
    assert door.later(Idempotency_Key="k").body["id"] == first.body["id"]
    assert len(door.items()) == len(door.objects()) == 1
    done = {"status": "done", "result_key": "results/x", "result_bytes": 3, "http_status": 200}
    door.end(first.body["id"], **done, content_type="audio/wav")
    again = door.later(Idempotency_Key="k")
    assert (again.status, again.body["id"], again.body["status"]) == (200, first.body["id"], "done")
    assert door.items() == {}


def test_the_same_key_for_another_request_is_a_conflict(door):
    door.later(Idempotency_Key="k")
    for answer in (
        door.later({"text": "Another."}, Idempotency_Key="k"),
        door.later(SPEAK, "/v1/audio/speech", Idempotency_Key="k"),
    ):
        assert (answer.status, answer.code, answer.body["error"]["param"]) == (
            409,
            "conflict",
            "Idempotency-Key",
        )
    assert len(door.items()) == 1


def test_another_owners_same_key_is_another_work(door):
    ids = {
        door.later(Idempotency_Key="k", secret=secret).body["id"]
        for secret in ("a long secret", OTHERS_SECRET)
    }
    assert len(ids) == 2


def test_a_key_is_forgotten_after_a_week(door):
    first = door.later(Idempotency_Key="k").body["id"]
    door.aws.now += 8 * 86_400
    assert door.later({"text": "Another."}, Idempotency_Key="k").body["id"] != first


def test_without_a_key_each_request_is_work_of_its_own(door):
    assert door.later().body["id"] != door.later().body["id"]


def test_two_functions_at_a_time_make_one_piece_of_work(door):
    """The second comes while the first has stored the body, and is faster."""
    second = []

    def meanwhile(number):
        if number == 1:
            second.append(door.later(Idempotency_Key="k"))

    door.aws.before("s3.PutObject", meanwhile)
    first = door.later(Idempotency_Key="k")
    assert first.body["id"] == second[0].body["id"]
    assert len(door.items()) == 1


def test_a_slow_function_does_not_make_work_again_that_has_ended_meanwhile(door):
    def meanwhile(number):
        if number == 1:
            fast = door.later(Idempotency_Key="k").body["id"]
            door.end(fast, status="failed", error={"code": "x", "message": "y"})

    door.aws.before("s3.PutObject", meanwhile)
    slow = door.later(Idempotency_Key="k")
    assert (slow.status, slow.body["status"]) == (200, "failed")
    assert door.items() == {}


def test_a_start_that_cannot_be_asked_for_loses_nothing(door, capsys):
    def refuse() -> None:
        raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": ""}}, "Invoke")

    door.before_start = refuse
    ids = {door.later().body["id"] for _ in range(10)}
    assert set(door.items()) == ids
    assert door.started == []
    assert "TooManyRequestsException" in capsys.readouterr().out


def test_work_that_was_accepted_is_never_said_not_to_be(door, capsys):
    """Whatever fails after it is in the table."""
    door.before_start = lambda: door.aws.refuse("dynamodb.Query", "ThrottlingException")
    answer = door.later()
    assert (answer.status, answer.body["machine"]) == (202, None)
    assert list(door.items()) == [answer.body["id"]]
    assert '"fault": "ThrottlingException' in capsys.readouterr().out


@pytest.mark.parametrize("call", ["s3.PutObject", "dynamodb.TransactWriteItems"])
def test_what_aws_did_not_take_is_not_accepted_and_the_client_is_told_so(door, call, capsys):
    door.aws.refuse(call, "SlowDown", 503)
    answer = door.later()
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert door.items() == {}
    assert '"fault": "SlowDown' in capsys.readouterr().out


def test_expired_credentials_are_said_in_the_log_with_what_to_do(door, capsys):
    door.aws.refuse("dynamodb.GetItem", "ExpiredTokenException")
    assert door.ask("GET", f"/accepted/{'0' * 32}").status == 503
    assert "its credentials expired" in capsys.readouterr().out


def test_what_wants_an_answer_at_once_is_told_when_to_come_and_the_machine_is_started(door):
    answer = door.ask("POST", "/v1/tts", SPEAK)
    assert (answer.status, answer.code) == (503, "machine_off")
    assert int(answer.headers["Retry-After"]) > 0
    assert set(answer.body["error"]["machine"]) == {"state", "stage", "left_s"}
    assert door.started == [STARTS | {"why": "POST /v1/tts"}]
    assert door.items() == {}


def test_who_waits_is_told_how_far_the_start_is_and_how_long_it_takes_yet(door):
    starts, now = Starts(door.aws.table()), door.aws.now
    assert door.ask("POST", "/v1/tts", SPEAK).headers["Retry-After"] == "200", (
        "a whole start as it usually is"
    )
    begun = Start(State.STARTING, asked_at=now - 30, capacity_at=now - 20, boot_at=now - 10)
    starts.write(begun)
    answer = door.ask("POST", "/v1/tts", SPEAK)
    assert answer.body["error"]["machine"] == {"state": "starting", "stage": "image", "left_s": 125.0}
    assert answer.headers["Retry-After"] == "125"
    assert door.later().body["machine"] == {"state": "starting", "stage": "image", "left_s": 125.0}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_look_starts_nothing(door, method):
    assert door.ask(method, "/v1/voices").status == 503
    assert door.started == []


@pytest.mark.parametrize("path", ["/health", "/ready", "/tts/health", "/whisperx/ready"])
def test_how_it_is_needs_no_key_and_starts_nothing(door, path):
    answer = door.ask("GET", path, secret="")
    assert (answer.status, answer.code) == (503, "machine_off")
    assert door.started == []


@pytest.mark.parametrize("secret", ["", "wrong"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/tts"), ("POST", "/jobs"), ("POST", "/accepted"), ("GET", f"/accepted/{'0' * 32}")],
)
def test_without_a_key_nothing_is_accepted_told_or_started(door, secret, method, path):
    answer = door.ask(method, path, SPEAK, secret=secret, Prefer="respond-async")
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert (door.items(), door.objects(), door.started) == ({}, {}, [])


def test_the_secret_of_a_key_is_in_no_line_of_the_log(door, capsys):
    door.later()
    door.ask("POST", "/v1/tts", SPEAK)
    said = capsys.readouterr().out
    assert OWNER in said
    assert "a long secret" not in said
    assert SPEAK["text"] not in said


@pytest.mark.parametrize(
    ("body", "path", "status", "code"),
    [
        (b"{", "/jobs", 400, "malformed_body"),
        ([], "/v1/tts", 400, "malformed_body"),
        (SPEAK, "/v1/tts?" + "x=" + "y" * 3000, 400, "invalid_request"),
    ],
)
def test_what_cannot_be_work_is_refused_at_once(door, body, path, status, code):
    answer = door.later(body, path)
    assert (answer.status, answer.code) == (status, code)
    assert (door.items(), door.objects(), door.started) == ({}, {}, [])


def test_work_has_bounds_and_what_was_accepted_is_found_beyond_them(door):
    first = door.later(Idempotency_Key="k").body["id"]
    table = door.aws.table()
    for number in range(MOST_WORKS - 1):
        table.put({"kind": "waiting", "id": f"x{number}", "work": "request", "status": "waiting", "bytes": 1})
    answer = door.later()
    assert (answer.status, answer.code) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) > 0
    assert door.later(Idempotency_Key="k").body["id"] == first
    assert len(door.objects()) == 1


def test_its_bytes_have_a_bound_in_which_jobs_of_former_machines_do_not_count(door):
    table = door.aws.table()
    table.put({"kind": "waiting", "id": "j", "work": "job", "status": "waiting", "bytes": 10**12})
    assert door.later().status == 202
    table.put({"kind": "waiting", "id": "r", "work": "request", "status": "waiting", "bytes": 2 * 10**10})
    assert door.later().status == 429


def test_the_status_is_its_owners_alone(door):
    id = door.later().body["id"]
    assert door.ask("GET", f"/accepted/{id}").body["status"] == "waiting"
    for answer in (
        door.ask("GET", f"/accepted/{id}", secret=OTHERS_SECRET),
        door.ask("DELETE", f"/accepted/{id}", secret=OTHERS_SECRET),
        door.ask("POST", f"/accepted/{id}/uploaded", secret=OTHERS_SECRET),
        door.ask("GET", f"/accepted/{'f' * 32}"),
    ):
        assert (answer.status, answer.code) == (404, "not_found")
    assert list(door.items()) == [id]


def test_what_is_done_tells_where_its_result_and_its_audio_are(door):
    id = door.ask("POST", "/jobs", JOB).body["id"]
    door.end(
        id,
        status="done",
        http_status=200,
        content_type="application/json",
        result_key=f"results/{id}",
        result_bytes=2,
        audio={"10": 12, "2": 11},
    )
    body = door.ask("GET", f"/accepted/{id}").body
    assert (body["status"], body["machine"], body["error"]) == ("done", None, None)
    result = body["result"]
    assert (result["status"], result["content_type"], result["bytes"]) == (200, "application/json", 2)
    assert result["expires_in_s"] == URL_S
    assert f"results/{id}?" in result["url"]
    assert "X-Amz-Signature" in result["url"]
    assert [(each["index"], each["bytes"]) for each in result["audio"]] == [(2, 11), (10, 12)]
    assert f"results/{id}/2.wav?" in result["audio"][0]["url"]


def test_what_failed_tells_why(door):
    id = door.later().body["id"]
    error = {"code": "unknown_voice", "message": "there is none", "param": "voice"}
    door.end(id, status="failed", http_status=422, error=error)
    body = door.ask("GET", f"/accepted/{id}").body
    assert (body["status"], body["result"], body["error"]) == ("failed", None, error)


def test_what_waits_can_be_withdrawn_with_its_body(door):
    id = door.later(Idempotency_Key="k").body["id"]
    answer = door.ask("DELETE", f"/accepted/{id}")
    assert (answer.status, answer.body) == (200, {"id": id, "status": "withdrawn"})
    assert (door.items(), door.objects()) == ({}, {})
    assert door.ask("GET", f"/accepted/{id}").status == 404
    assert door.later(Idempotency_Key="k").status == 202, "and sent again"


@pytest.mark.parametrize("status", ["taken", "done", "failed"])
def test_what_was_begun_cannot_be_withdrawn(door, status):
    id = door.later().body["id"]
    item = door.items()[id]
    kind = "waiting" if status == "taken" else "ended"
    if kind == "ended":
        door.aws.table().delete("waiting", id)
    door.aws.table().put(item | {"kind": kind, "status": status})
    answer = door.ask("DELETE", f"/accepted/{id}")
    assert (answer.status, answer.code) == (409, "conflict")
    assert status in answer.body["error"]["message"]
    assert list(door.items(kind)) == [id]


def test_what_is_begun_at_this_very_moment_is_not_withdrawn(door):
    id = door.later().body["id"]
    door.aws.before(
        "dynamodb.DeleteItem", lambda _: door.aws.table().update("waiting", id, {"status": "taken"}) and None
    )
    assert door.ask("DELETE", f"/accepted/{id}").status == 409
    assert list(door.objects()) == [f"accepted/{id}"]


def test_a_job_of_a_machine_that_went_is_found_by_its_id(door):
    id = "00000000-0000-0000-0000-000000000007"
    item = {"kind": "waiting", "id": id, "job_id": id, "work": "job", "status": "waiting", "owner": OWNER}
    door.aws.table().put(item | {"priority": 5, "accepted_at": 1.5, "body_key": f"accepted/{id}", "bytes": 1})
    answer = door.ask("GET", f"/jobs/{id}")
    assert (answer.status, answer.body["id"], answer.body["status"]) == (200, id, "queued")
    assert door.ask("GET", f"/jobs/{id}", secret=OTHERS_SECRET).status == 503
    assert door.ask("GET", "/jobs/00000000-0000-0000-0000-000000000008").status == 503
    door.end(id, status="moved")
    assert door.ask("GET", f"/jobs/{id}").status == 503, "the machine that has it is off"
    assert door.ask("GET", f"/accepted/{id}").body["status"] == "moved"
    assert door.started == []


def test_a_large_body_is_announced_and_uploaded_and_then_it_waits(door):
    asked = {
        "path": "/whisperx/transcribe",
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
        "bytes": 4,
    }
    announced = door.ask("POST", "/accepted", asked | {"priority": 1})
    assert (announced.status, announced.body["status"]) == (201, "uploading")
    id, upload = announced.body["id"], announced.body["upload"]
    assert (upload["method"], upload["then"]) == ("PUT", f"/accepted/{id}/uploaded")
    assert upload["headers"] == {"Content-Type": "application/octet-stream", "Content-Length": "4"}
    assert "content-length" in upload["url"], "the address is for as many bytes as were announced"
    assert door.items()[id]["expires_at"] == int(door.aws.now + UPLOAD_S)
    assert door.started == [], "what may never come starts nothing"
    early = door.ask("POST", f"/accepted/{id}/uploaded")
    assert (early.status, early.code) == (409, "conflict")
    door.aws.outside("s3").put_object(Bucket=door.aws.variables["BUCKET"], Key=f"accepted/{id}", Body=b"RIFF")
    for _ in range(2):
        done = door.ask("POST", f"/accepted/{id}/uploaded")
        assert (done.status, done.body["status"]) == (202, "waiting")
    item = door.items()[id]
    assert (item["status"], item["priority"], item["path"]) == ("waiting", 1, "/whisperx/transcribe")
    assert "expires_at" not in item
    assert len(door.started) == 2


def test_an_upload_of_other_bytes_than_were_announced_does_not_count(door):
    id = door.ask("POST", "/accepted", {"path": "/transcribe", "bytes": 4}).body["id"]
    door.aws.outside("s3").put_object(
        Bucket=door.aws.variables["BUCKET"], Key=f"accepted/{id}", Body=b"RIFFx"
    )
    answer = door.ask("POST", f"/accepted/{id}/uploaded")
    assert (answer.status, answer.body["error"]["message"][:35]) == (
        409,
        "4 bytes were announced, and 5 bytes",
    )


def test_who_may_not_list_the_bucket_is_told_403_of_what_is_not_there(door):
    id = door.ask("POST", "/accepted", {"path": "/transcribe", "bytes": 4}).body["id"]
    door.aws.refuse("s3.HeadObject", "403", 403)
    answer = door.ask("POST", f"/accepted/{id}/uploaded")
    assert (answer.status, answer.body["error"]["message"][-39:]) == (
        409,
        "nothing of it is there: upload it first",
    )


def test_an_announcement_that_is_sent_again_is_the_same_upload(door):
    asked = {"path": "/transcribe", "bytes": 4}
    first = door.ask("POST", "/accepted", asked, Idempotency_Key="k")
    again = door.ask("POST", "/accepted", asked | {"headers": {"Idempotency-Key": "k"}})
    assert (again.status, again.body["id"]) == (201, first.body["id"])
    assert door.ask("POST", "/accepted", asked | {"bytes": 5}, Idempotency_Key="k").status == 409
    assert len(door.items()) == 1


def test_what_cannot_be_announced_is_said_with_its_field(door):
    answer = door.ask("POST", "/accepted", {"path": "/v1/voices", "bytes": 4})
    assert (answer.status, answer.body["error"]["param"]) == (400, "path")
    assert door.ask("POST", "/accepted", {"path": "/transcribe", "bytes": 10**9}).status == 413


def test_the_real_function_answers_with_the_environment_that_it_is_given(door, monkeypatch):
    for name, value in door.aws.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "clients", lambda _: door.client)
    answer = module.handler(event("POST", "/v1/tts", SPEAK, headers={"prefer": "respond-async"}), None)
    assert answer["statusCode"] == 202
    id = json.loads(answer["body"])["id"]
    assert list(door.items()) == [id]
    status = module.handler(event("GET", f"/accepted/{id}"), None)
    assert json.loads(status["body"])["status"] == "waiting"


def test_only_a_load_balancer_can_ask(door, monkeypatch):
    for name, value in door.aws.variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(module.Failed, match="only an ALB"):
        module.handler({"do": "tick"}, None)


def test_the_id_of_a_request_is_in_its_answer_and_in_the_log(door, capsys):
    asked = read(event("GET", "/v1/voices", headers={"X-Request-Id": "my-request"}))
    answer = door.reception().answer(asked)
    assert answer["headers"]["X-Request-ID"] == "my-request"
    assert json.loads(answer["body"])["error"]["request_id"] == "my-request"
    assert '"request_id": "my-request"' in capsys.readouterr().out
