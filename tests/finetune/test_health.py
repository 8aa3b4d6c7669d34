"""GET / and what every server has, in front of a stand-in for the engine."""

from __future__ import annotations

from hashlib import sha256

import pytest
from flask.testing import FlaskClient

from servers.finetune.app import create_app
from servers.settings import SettingsError, settings
from servers.web.keys import check_exposure
from tests.jobs.stand_in_engine import StandInEngine
from tests.web.fixtures import Configure


def test_it_says_what_it_is_and_whether_there_is_a_bucket(
    configure: Configure, client: FlaskClient, engine: StandInEngine
) -> None:
    said = {"service": "qwen3-tts-finetune-api", "status": "ok"}
    assert client.get("/").json == said | {"storage_configured": False}
    configure(E2E_BUCKET="speech")
    pytest.importorskip("boto3", reason="needs the extra [s3]")
    assert create_app(engine).test_client().get("/").json == said | {"storage_configured": True}


def test_it_says_that_the_engine_is_away(client: FlaskClient, engine: StandInEngine) -> None:
    engine.away_calls = 1
    assert client.get("/").json["status"] == "degraded"
    engine.away_calls = 1
    assert client.get("/ready").status_code == 503
    assert client.get("/ready").json == {"status": "ready"}


def test_a_key_is_asked_for_as_by_the_others_and_without_one_it_stays_on_this_machine(
    configure: Configure, engine: StandInEngine
) -> None:
    with pytest.raises(SettingsError, match="no API key"):
        check_exposure("0.0.0.0", settings())
    configure(SKYLARK_API_KEYS=f"alice:{sha256(b'hers').hexdigest()}")
    client = create_app(engine).test_client()
    assert [client.get(path).status_code for path in ("/", "/ops/averages", "/health")] == [401, 401, 200]
    assert client.get("/", headers={"Authorization": "Bearer hers"}).status_code == 200


def test_nothing_is_mounted_at_the_path_where_trainings_are_begun(client: FlaskClient) -> None:
    assert client.get("/finetune/health").status_code == 404
