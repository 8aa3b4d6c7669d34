from __future__ import annotations

import json

import pytest

from .stand_in_servers import TRANSCRIPT, WORDS, refusal


@pytest.fixture
def recordings(home):
    paths = [home / "a.wav", home / "b.flac"]
    for path in paths:
        path.write_bytes(b"RIFF of " + path.name.encode())
    return paths


def test_one_transcript_is_printed_alone_and_several_with_their_names(run, configured, recordings):
    assert run("transcribe", recordings[0]).stdout == "hello martha\n"
    assert run("transcribe", *recordings).stdout == "".join(f"{path}: hello martha\n" for path in recordings)


def test_the_recording_and_its_language_are_sent_as_a_form(run, configured, recordings):
    run("transcribe", recordings[0], "--language", "en")
    _, body, _ = configured.requests[0]
    assert b"RIFF of a.wav" in body
    assert b'name="language"\r\n\r\nen\r\n' in body


def test_what_the_model_did_not_act_on_is_said_on_stderr(run, configured, recordings):
    configured.ignored = ["language"]
    for command in (("transcribe", recordings[0]), ("align", recordings[0], "hello martha")):
        assert run(*command, "--language", "en").stderr == "skylark: the model ignored: language\n"


def test_json_has_every_transcript_with_its_file(run, configured, recordings):
    results = json.loads(run("transcribe", *recordings, "--json").stdout)["results"]
    assert results == [{"file": str(path)} | TRANSCRIPT for path in recordings]


def test_transcripts_are_written_to_a_folder(run, configured, recordings, home):
    assert run("transcribe", *recordings, "--out-dir", "t").stdout == ""
    assert (home / "t" / "a.txt").read_text() == "hello martha\n"
    run("transcribe", *recordings, "--out-dir", "t", "--json")
    assert json.loads((home / "t" / "b.json").read_text()) == TRANSCRIPT


def test_two_transcripts_never_go_to_one_file(run, configured, recordings, home):
    (home / "a.mp3").write_bytes(b"x")
    result = run("transcribe", "a.wav", "a.mp3", "--out-dir", "t")
    assert result.exit_code == 2
    assert "would be written to t/a.txt" in result.stderr
    assert configured.requests == []


def test_a_recording_that_cannot_be_read_does_not_stop_the_others(run, configured, recordings):
    configured.replies["/transcribe"] = [refusal(422, "unsupported_audio", "not audio", "file")]
    result = run("transcribe", *recordings)
    assert result.exit_code == 1
    assert result.stdout == f"{recordings[1]}: hello martha\n"
    assert f"skylark: {recordings[0]}: file: not audio\n" in result.stderr


def test_a_missing_recording_is_wrong_usage(run, configured):
    assert run("transcribe", "missing.wav").exit_code == 2


def test_align_prints_a_table_of_words(run, configured, recordings):
    lines = run("align", recordings[0], "Hello, Martha.").stdout.splitlines()
    assert lines[0].split() == ["word", "start", "end", "score"]
    assert [line.split() for line in lines[1:]] == [
        ["Hello,", "0.000", "0.400", "0.90"],
        ["Martha.", "0.400", "1.000", "-"],
    ]


def test_align_reads_the_text_from_a_file_and_prints_json(run, configured, recordings, home):
    (home / "text.txt").write_text("Hello, Martha.")
    reply = json.loads(run("align", recordings[0], "text.txt", "--json").stdout)
    assert reply["words"] == WORDS
    assert b'name="text"\r\n\r\nHello, Martha.\r\n' in configured.requests[0][1]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_text_that_does_not_fit_is_warned_of_beside_the_result(run, configured, recordings, options):
    reply = TRANSCRIPT | {"score": 0.1, "warning": "the text does not fit the recording"}
    configured.replies["/align"] = [(200, {}, reply)]
    result = run("align", recordings[0], "Goodbye.", *options)
    assert result.exit_code == 0
    assert result.stderr == "skylark: warning: the text does not fit the recording\n"
    assert "Martha." in result.stdout
    assert run("align", recordings[0], "Hello, Martha.", *options).stderr == ""


LINES = {"Content-Type": "application/x-ndjson"}


def told(*each: object) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in each)


def test_a_server_that_tells_how_far_it_is_ends_with_the_transcript(run, configured, recordings):
    progress = told({"progress": None}, {"progress": 0.5}, {"result": TRANSCRIPT})
    configured.replies["/transcribe"] = [(200, LINES, progress)]
    assert run("transcribe", recordings[0]).stdout == "hello martha\n"
    assert configured.requests[0][2]["Accept"].startswith("application/x-ndjson")
    error = {"code": "unsupported_audio", "message": "not audio", "param": "file"}
    configured.replies["/align"] = [(200, LINES, told({"progress": None}, {"error": error}))]
    result = run("align", recordings[0], "hello")
    assert (result.exit_code, result.stderr) == (1, "skylark: file: not audio\n")


def test_an_answer_that_is_broken_off_is_a_failure(run, configured, recordings):
    configured.replies["/align"] = [(200, LINES, told({"progress": 0.5}))]
    result = run("align", recordings[0], "hello")
    assert (result.exit_code, "broke off its answer" in result.stderr) == (1, True)


# subtitles


SRT = "1\n00:00:00,000 --> 00:00:01,000\nHello, Martha.\n"
VTT = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello, Martha.\n"
COMMANDS = [("transcribe",), ("align", "Hello, Martha.")]


@pytest.fixture(params=COMMANDS, ids=["transcribe", "align"])
def listen(request, run, configured, recordings):
    """Runs the command on a recording, with further options."""
    command, *text = request.param
    return lambda *options: run(command, recordings[0], *text, *options)


def test_subtitles_are_written_to_files_and_nothing_is_printed(listen, home):
    result = listen("--srt", "a.srt", "--vtt", "a.vtt")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (home / "a.srt").read_text() == SRT
    assert (home / "a.vtt").read_text() == VTT


@pytest.mark.parametrize(("option", "content"), [("--srt", SRT), ("--vtt", VTT)])
def test_a_dash_is_standard_output(listen, home, option, content):
    assert listen(option, "-").stdout == content
    assert not (home / "-").exists()


def test_json_is_printed_beside_a_file_of_subtitles(listen, home):
    answer = json.loads(listen("--srt", "a.srt", "--json").stdout)
    assert answer.get("results", [answer])[0]["words"] == WORDS
    assert (home / "a.srt").read_text() == SRT


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--srt", "-", "--json"), "standard output takes the subtitles or the JSON"),
        (("--srt", "-", "--vtt", "-"), "not both"),
        (("--srt", "a", "--vtt", "a"), "a takes the subtitles of --srt or those of --vtt"),
    ],
)
def test_two_things_in_one_place_are_wrong_usage(listen, configured, options, says):
    result = listen(*options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert configured.requests == []


def test_subtitles_of_several_recordings_are_wrong_usage(run, configured, recordings):
    result = run("transcribe", *recordings, "--srt", "a.srt")
    assert (result.exit_code, configured.requests) == (2, [])
    assert "one recording at a time" in result.stderr


def test_a_recording_that_cannot_be_read_has_no_subtitles(run, configured, recordings, home):
    configured.replies["/transcribe"] = [refusal(422, "unsupported_audio", "not audio", "file")]
    assert run("transcribe", recordings[0], "--srt", "a.srt").exit_code == 1
    assert not (home / "a.srt").exists()
