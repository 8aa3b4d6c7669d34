from __future__ import annotations

import json

import pytest

from servers.cli.book import TEXTS_A_REQUEST

from .stand_in_servers import WORDS, refusal, spoken

BOOK = """One is first.

Two is next.

* * *

Three follows,
over two lines.

Four.

Five.

Six ends it.
"""
TEXTS = ["One is first.", "Two is next.", "Three follows, over two lines.", "Four.", "Five.", "Six ends it."]


@pytest.fixture
def book(home):
    path = home / "book.txt"
    path.write_text(BOOK)
    return path


@pytest.fixture
def chapters(home):
    return home / "chapters"


@pytest.fixture
def say_book(run, book, chapters):
    return lambda *options: run("say", book, "--out-dir", chapters, *options)


def audio_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def numbered(texts, format="wav"):
    return {f"{number:04}.{format}": spoken(text) for number, text in enumerate(texts, 1)}


def test_a_text_becomes_a_file(run, configured, home):
    result = run("say", "Hello, Martha.", "--out", "hi.wav")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "hi.wav  1.50 s\n", "")
    assert (home / "hi.wav").read_bytes() == spoken("Hello, Martha.")


def test_what_the_model_did_not_act_on_is_said_once_on_stderr(run, configured, say_book):
    configured.ignored = ["instruct"]
    result = run("say", "Hello, Martha.", "--instruct", "softly", "--out", "hi.wav")
    assert (result.stdout, result.stderr) == ("hi.wav  1.50 s\n", "skylark: the model ignored: instruct\n")
    assert say_book("--instruct", "softly").stderr.count("the model ignored: instruct") == 1


def test_a_file_is_read_and_dash_is_standard_input(run, configured, book):
    run("say", book)
    run("say", "-", input="From a pipe.")
    assert configured.texts() == [[BOOK], ["From a pipe."]]


def test_every_option_reaches_the_server_and_others_are_left_to_it(run, configured):
    run("say", "Hello.")
    run("say", "Hello.", "--voice", "anna", "--language", "de", "--instruct", "softly", "--model", "big")
    plain, full = (json.loads(body) for _, body, _ in configured.requests)
    assert plain == {"texts": ["Hello."], "format": "wav"}
    assert full == plain | {"voice": "anna", "language": "de", "instruct": "softly", "model": "big"}


def test_the_key_of_the_file_is_sent_and_the_environments_wins(run, configured):
    run("say", "Hello.")
    run("say", "Hello.", env={"TTS_API_KEY": "key of the environment"})
    assert [headers["X-API-Key"] for _, _, headers in configured.requests] == [
        "key of the file",
        "key of the environment",
    ]


def test_the_format_is_the_option_or_the_files_ending(run, configured, home):
    assert run("say", "Hello.", "--out", "hi.MP3").exit_code == 0
    assert run("say", "Hello.", "--out", "hi.bin", "--format", "opus").exit_code == 0
    assert run("say", "Hello.", "--format", "flac").stdout == "speech.flac  1.50 s\n"
    formats = [json.loads(body)["format"] for _, body, _ in configured.requests]
    assert formats == ["mp3", "opus", "flac"]


def test_a_file_with_an_ogg_ending_holds_opus(run, configured, home):
    assert run("say", "Hello.", "--out", "hi.ogg").exit_code == 0
    assert run("say", "Hello.", "--out", "hi.ogg", "--format", "opus").exit_code == 0
    assert [json.loads(body)["format"] for _, body, _ in configured.requests] == ["opus", "opus"]


def test_dash_is_standard_output_and_nothing_else_is_written_to_it(run, configured, home):
    result = run("say", "Hello, Martha.", "--out", "-")
    assert (result.exit_code, result.stdout_bytes) == (0, spoken("Hello, Martha."))
    assert list(home.glob("-*")) == []


def test_json_is_the_reply_without_the_audio_but_with_its_file(run, configured):
    reply = json.loads(run("say", "Hello.", "--out", "hi.wav", "--json").stdout)
    assert reply["file"] == "hi.wav"
    assert reply["words"] == WORDS
    assert "audio" not in reply


def test_a_book_is_spoken_paragraph_by_paragraph_a_few_at_a_time(say_book, configured, chapters):
    result = say_book()
    assert result.exit_code == 0
    assert result.stdout == f"{chapters}: 6 of 6 paragraphs, 9.0 s of speech\n"
    assert audio_in(chapters) == numbered(TEXTS)
    assert configured.texts() == [TEXTS[:TEXTS_A_REQUEST], TEXTS[TEXTS_A_REQUEST:]]


def test_the_manifest_names_each_paragraphs_text_manner_and_file(say_book, configured, chapters):
    say_book("--voice", "anna")
    manifest = json.loads((chapters / "manifest.json").read_text())
    assert [entry["file"] for entry in manifest["paragraphs"]] == sorted(numbered(TEXTS))
    assert manifest["paragraphs"][0]["manner"]["voice"] == "anna"


def test_a_second_run_speaks_nothing(say_book, configured):
    say_book()
    configured.requests.clear()
    result = say_book()
    assert configured.requests == []
    assert "(6 were there already)" in result.stdout


def test_a_run_goes_on_where_one_was_cut_off(say_book, configured, chapters):
    configured.replies["/generate_batch"] = [configured.answer("/generate_batch", json_of(TEXTS[:4]))]
    configured.replies["/generate_batch"].append(refusal(500, "internal_error", "a defect"))
    result = say_book()
    assert result.exit_code == 1
    assert "4 of 6 paragraphs done; the same command again goes on from here" in result.stderr
    assert audio_in(chapters) == numbered(TEXTS[:4])
    configured.requests.clear()
    assert say_book().exit_code == 0
    assert configured.texts() == [TEXTS[4:]]
    assert audio_in(chapters) == numbered(TEXTS)


def json_of(texts):
    return json.dumps({"texts": texts}).encode()


def test_ctrl_c_keeps_what_was_spoken(say_book, configured, chapters, monkeypatch):
    results = configured.answer("/generate_batch", json_of(TEXTS[:2]))[2]["results"]

    def interrupted(*_, **__):
        yield from enumerate(results)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("servers.cli.client.Servers.speak_each", interrupted)
        result = say_book()
    assert result.exit_code == 130
    assert "2 of 6 paragraphs done" in result.stderr
    assert result.stderr.endswith("skylark: interrupted\n")
    assert audio_in(chapters) == numbered(TEXTS[:2])
    say_book()
    assert configured.texts() == [TEXTS[2:]]


def test_paragraphs_that_came_before_the_answer_broke_off_are_kept(say_book, configured, chapters):
    configured.broken_off = True
    result = say_book()
    assert result.exit_code == 1
    assert "broke off its answer: ask again" in result.stderr
    assert audio_in(chapters) == numbered(TEXTS[:TEXTS_A_REQUEST])
    configured.broken_off = False
    assert "(4 were there already)" in say_book().stdout


def test_a_server_that_answers_in_one_piece_will_do(say_book, configured, chapters):
    configured.speaks_lines = False
    configured.unspeakable.add("Four.")
    assert "skylark: 0004.wav: no breath\n" in say_book().stderr
    assert len(audio_in(chapters)) == 5


def test_a_paragraph_is_on_disk_before_the_next_one_is_asked_for(say_book, configured, chapters, monkeypatch):
    seen = []

    def watched(*_, **__):
        for index, result in enumerate(
            configured.answer("/generate_batch", json_of(TEXTS[:3]))[2]["results"]
        ):
            seen.append(len(audio_in(chapters)) if chapters.exists() else 0)
            yield index, result
        raise KeyboardInterrupt

    monkeypatch.setattr("servers.cli.client.Servers.speak_each", watched)
    say_book()
    assert seen == [0, 1, 2]
    manifest = json.loads((chapters / "manifest.json").read_text())
    assert len(manifest["paragraphs"]) == 3


def test_only_a_changed_paragraph_is_spoken_again(say_book, configured, book, chapters):
    say_book()
    configured.requests.clear()
    book.write_text(BOOK.replace("Four.", "Four is new."))
    say_book()
    assert configured.texts() == [["Four is new."]]
    assert audio_in(chapters)["0004.wav"] == spoken("Four is new.")


def test_a_paragraph_put_in_front_moves_the_others_without_speaking_them(
    say_book, configured, book, chapters
):
    say_book()
    configured.requests.clear()
    book.write_text("Zero is new.\n\n" + BOOK)
    say_book()
    assert configured.texts() == [["Zero is new."]]
    assert audio_in(chapters) == numbered(["Zero is new.", *TEXTS])
    configured.requests.clear()
    say_book()
    assert configured.requests == []


def test_another_voice_speaks_everything_again(say_book, configured):
    say_book()
    configured.requests.clear()
    say_book("--voice", "anna")
    assert [text for texts in configured.texts() for text in texts] == TEXTS


def test_a_damaged_or_deleted_file_is_spoken_again(say_book, configured, chapters):
    say_book()
    configured.requests.clear()
    (chapters / "0002.wav").write_bytes(b"au")
    (chapters / "0005.wav").unlink()
    say_book()
    assert configured.texts() == [[TEXTS[1], TEXTS[4]]]
    assert audio_in(chapters) == numbered(TEXTS)


def test_files_of_a_longer_text_are_kept_and_named(say_book, configured, book, chapters):
    say_book()
    book.write_text("One is first.")
    assert f"{chapters}/0006.wav is left from an earlier text" in say_book().stderr
    assert (chapters / "0006.wav").exists()


def test_a_paragraph_that_fails_is_reported_and_tried_again_next_time(say_book, configured, chapters):
    configured.unspeakable.add("Four.")
    result = say_book()
    assert result.exit_code == 1
    assert "skylark: 0004.wav: no breath\n" in result.stderr
    assert result.stderr.endswith("skylark: 1 of 6 paragraphs failed\n")
    assert len(audio_in(chapters)) == 5
    configured.unspeakable.clear()
    configured.requests.clear()
    assert say_book().exit_code == 0
    assert configured.texts() == [["Four."]]


def test_a_refused_text_does_not_take_its_neighbours_along(say_book, configured, chapters):
    refused = refusal(413, "too_large", "30000 characters", "texts.1")
    configured.replies["/generate_batch"] = [
        refused,  # all four
        configured.answer("/generate_batch", json_of(TEXTS[:1])),
        refusal(413, "too_large", "30000 characters", "texts.0"),
    ]
    result = say_book("--json")
    assert result.exit_code == 1
    assert sorted(audio_in(chapters)) == ["0001.wav", "0003.wav", "0004.wav", "0005.wav", "0006.wav"]
    outcomes = json.loads(result.stdout)["results"]
    assert [outcome.get("error", {}).get("code") for outcome in outcomes] == [None, "too_large"] + [None] * 4


def test_an_unknown_voice_ends_the_run_at_once(say_book, configured):
    configured.replies["/generate_batch"] = [refusal(422, "unknown_voice", "no such one; try anna", "voice")]
    result = say_book("--voice", "x")
    assert result.exit_code == 1
    assert result.stderr.endswith("skylark: voice: no such one; try anna\n")
    assert len(configured.requests) == 1


def test_a_manifest_of_something_else_is_not_overwritten(say_book, configured, chapters):
    chapters.mkdir()
    (chapters / "manifest.json").write_text('{"name": "my web app"}')
    result = say_book()
    assert result.exit_code == 2
    assert "manifest.json is not a manifest of `skylark say`" in result.stderr
    assert (chapters / "manifest.json").read_text() == '{"name": "my web app"}'


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.txt"], "there is no file missing.txt"),
        (["Hello.", "--out", "a.wav", "--out-dir", "b"], "not both"),
        (["* * *", "--out-dir", "b"], "there is no text to speak"),
        (["Hello.", "--out", "hi.bin"], "let it end in .wav, .flac, .mp3, .opus, .aac, .ogg"),
        (["Hello.", "--out", "hi.wav", "--format", "mp3"], "hi.wav cannot hold mp3"),
        (["Hello.", "--out", "-", "--json"], "the audio or the JSON, not both"),
        (["Hello.", "--format", "aiff"], "aiff"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_is_exit_code_2(run, configured, arguments, complaint):
    result = run("say", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert configured.requests == []


def test_a_file_that_is_not_text_is_named(run, configured, home):
    (home / "a.txt").write_bytes(b"\xff\xfe\x00\xd8")
    result = run("say", "a.txt")
    assert result.exit_code == 2
    assert "a.txt is not text in UTF-8" in result.stderr


def test_a_server_that_is_away_is_exit_code_3_and_one_line(run, home):
    (home / "server_config.json").write_text('{"server_url": "http://127.0.0.1:1"}')
    result = run("say", "Hello.")
    assert result.exit_code == 3
    assert result.stderr.startswith("skylark: http://127.0.0.1:1/generate_batch cannot be reached: ")
    assert result.stderr.count("\n") == 1


def test_a_text_that_fails_alone_is_exit_code_1(run, configured, home):
    configured.unspeakable.add("Hello.")
    result = run("say", "Hello.")
    assert (result.exit_code, result.stderr) == (1, "skylark: no breath\n")
    assert not (home / "speech.wav").exists()


def test_a_file_that_cannot_be_written_is_named(run, configured):
    result = run("say", "Hello.", "--out", "missing/hi.wav")
    assert result.exit_code == 1
    assert result.stderr == "skylark: missing: No such file or directory\n"
