"""The player: the very samples that it was given, by the audio's clock; with a worklet and without."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.proxy.page.speaking import SENTENCES, Speaking

WITHOUT_WORKLET = "delete BaseAudioContext.prototype.audioWorklet;"
PRELUDE = """
  const { Player } = await import("/page/player.js");
  const noise = (count) => Int16Array.from({ length: count }, (_, n) => ((n * 7919) % 65536) - 32768);
  const heardAt = (context) => context.currentTime - (context.outputLatency || context.baseLatency);
  const until = async (true_, what) => {
    const ends = performance.now() + 60000;
    while (!true_()) {
      if (performance.now() > ends) throw new Error("not in time: " + what);
      await new Promise((go) => setTimeout(go, 10));
    }
  };
"""


@pytest.fixture(params=["worklet", "scheduled"])
def run(page, request):
    """Runs JavaScript with a Player class, in a browser with an AudioWorklet or without."""
    if request.param == "scheduled":
        page.add_init_script(WITHOUT_WORKLET)
    page.goto("/#speak")
    return lambda script: page.evaluate(f"async () => {{ {PRELUDE} {script} }}")


@pytest.fixture
def with_source(page):
    page.goto("/#speak")
    return lambda script: page.evaluate(
        f"async () => {{ const {{ Source }} = await import('/page/source.js'); {script} }}"
    )


def test_an_offline_context_renders_the_very_samples(page):
    """What comes out of the audio graph is what went in, to the bit, in pieces of any length. It renders as
    fast as it can, so that it is stopped now and then for the messages on their way; before the first one
    there is silence.
    """
    page.goto("/#speak")
    found = page.evaluate(
        f"""async () => {{ {PRELUDE}
          const samples = noise(50001);
          window.AudioContext = class {{
            constructor({{ sampleRate }}) {{
              const context = new OfflineAudioContext(1, 2 * samples.length, sampleRate);
              const go = OfflineAudioContext.prototype.resume.bind(context);
              context.resume = async () => {{
                const suspend = OfflineAudioContext.prototype.suspend.bind(context);
                for (let block = 1; block < 100; block += 1) {{
                  suspend((block * 1280) / sampleRate).then(go, () => {{}});
                }}
                window.rendered = (await context.startRendering()).getChannelData(0);
              }};
              return context;
            }}
          }};
          const player = new Player();
          for (let at = 0, step = 20000; at < samples.length; at += step, step = Math.ceil(step / 3) + 1) {{
            player.append(samples.slice(at, at + step));
          }}
          player.finish();
          await player.play();
          const rendered = window.rendered.subarray(window.rendered.findIndex((value) => value !== 0));
          const differing = samples.filter((sample, n) => rendered[n] !== sample / 32768).length;
          return {{ differing, after: rendered.subarray(samples.length).some((value) => value !== 0) }};
        }}"""
    )
    assert found == {"differing": 0, "after": False}


def test_scheduled_buffers_hold_the_very_samples_one_after_the_other(page):
    page.add_init_script(WITHOUT_WORKLET)
    page.goto("/#speak")
    heard = page.evaluate(
        f"""async () => {{ {PRELUDE}
          const starts = [];
          const given = [];
          const start = AudioBufferSourceNode.prototype.start;
          AudioBufferSourceNode.prototype.start = function (at) {{
            starts.push([at, this.buffer.duration]);
            given.push(...this.buffer.getChannelData(0));
            return start.call(this, at);
          }};
          const samples = noise(20000);
          const player = new Player();
          let ended = false;
          player.addEventListener("ended", () => (ended = true));
          player.append(samples);
          player.finish();
          await player.play();
          await until(() => ended, "the end");
          const gaps = starts.slice(1).filter(([at], n) => at - starts[n][0] - starts[n][1] > 1e-6).length;
          const same = given.every((value, n) => value === samples[n] / 32768);
          return {{ same, count: given.length, gaps }};
        }}"""
    )
    assert heard == {"same": True, "count": 20000, "gaps": 0}


def test_the_position_is_that_of_the_audio_clock(run):
    """Of what is heard of it: two looks at both clocks say the same of the time between them. A device that
    is late moves them apart, so that it is the best of several looks that counts.
    """
    found = run(
        """
        const player = new Player();
        player.append(noise(72000));
        await player.play();
        const apart = [];
        for (let n = 1; n <= 8; n += 1) {
          await until(() => player.position > n * 0.25, "it plays");
          apart.push(heardAt(player.context) - player.position);
        }
        await player.close();
        const steps = apart.slice(1).map((each, n) => Math.abs(each - apart[n]));
        return [Math.min(...steps), Math.min(...apart), player.end];
        """
    )
    assert found[0] < 0.01
    assert found[1] > -0.01
    assert found[2] == 3.0


def test_pause_holds_the_clock_and_it_goes_on_from_there(run):
    found = run(
        """
        const player = new Player();
        player.append(noise(120000));
        await player.play();
        await until(() => player.position > 0.2, "it plays");
        await player.pause();
        const held = player.position;
        const clock = player.context.currentTime;
        for (let n = 0; n < 30; n += 1) await new Promise((go) => requestAnimationFrame(go));
        const still = [player.position - held, player.context.currentTime - clock];
        const before = heardAt(player.context);
        await player.play();
        await until(() => player.position > held + 0.1, "it goes on");
        const ahead = player.position - held - (heardAt(player.context) - before);
        await player.close();
        return [...still, ahead < 0.1];
        """
    )
    assert found == [pytest.approx(0, abs=0.001), pytest.approx(0, abs=0.001), True]


SLOW_DEVICE = """
  window.started = new Promise((go) => (window.start = go));
  const { resume } = AudioContext.prototype;
  AudioContext.prototype.resume = async function () {
    await window.started;
    return resume.call(this);
  };
  const { setTimeout: later } = window;
  window.setTimeout = (act, ms) => later(act, ms === 8000 ? 0 : ms);
"""


def test_a_device_that_is_slow_to_begin_is_said_and_waited_for(page):
    page.add_init_script(SLOW_DEVICE)
    speaking = Speaking(page).open()
    speaking.speak(SENTENCES[0])
    told = page.locator(".toast", has_text="This device plays no sound yet")
    expect(told).to_be_visible()
    expect(speaking.button("Pause")).to_be_visible()
    page.evaluate("window.start()")
    speaking.until_heard()
    expect(told).to_have_count(0)
    assert np.array_equal(speaking.given(), *speaking.server_said())


def test_what_is_appended_after_a_seek_is_there(run):
    """Nothing of what was given before is heard, and the position does not go back to it."""
    found = run(
        """
        const player = new Player();
        player.append(noise(120000));
        await player.play();
        await until(() => player.position > 0.1, "it plays");
        player.seek(30);
        const at = [player.position, player.end];
        player.append(noise(24000));
        player.finish();
        let ended = false;
        player.addEventListener("ended", () => (ended = true));
        await until(() => player.position > 30.2, "it plays from there");
        await until(() => ended && player.position === 31, "the end");
        await player.close();
        return at;
        """
    )
    assert found == [30, 30]


def test_it_waits_where_there_is_nothing_yet_and_goes_on_without_a_sample_lost(run):
    found = run(
        """
        const player = new Player();
        const events = [];
        for (const name of ["starved", "flowing", "ended"]) {
          player.addEventListener(name, () => events.push(name));
        }
        player.append(noise(6000));
        await player.play();
        await until(() => events.includes("starved") && player.position === 0.25, "it waits at the end");
        player.append(noise(6000));
        await until(() => player.position > 0.3, "it flows");
        player.finish();
        await until(() => events.includes("ended"), "the end");
        await player.close();
        return events;
        """
    )
    assert found == ["flowing", "starved", "flowing", "ended"]


def test_twice_as_fast_takes_half_the_time(run):
    """By the clock of what is heard, in one of several stretches: a machine that is busy plays in jerks."""
    found = run(
        """
        const player = new Player();
        const heard = () => [heardAt(player.context), player.position];
        player.speed = 2;
        player.append(noise(96000));
        await player.play();
        const looks = [];
        for (let n = 1; n <= 7; n += 1) {
          await until(() => player.position > n / 2, "it plays");
          looks.push(heard());
        }
        await player.close();
        return looks.slice(1).map(([at, position], n) => (position - looks[n][1]) / (at - looks[n][0]));
        """
    )
    assert any(ratio == pytest.approx(2, abs=0.1) for ratio in found), found


@pytest.mark.parametrize("speed", [0.5, 1.5, 2])
def test_another_tempo_leaves_the_pitch(with_source, speed):
    """A tone of 200 Hz has as many waves in a second as before, and takes as long as the tempo says."""
    found = with_source(
        f"""
        const source = new Source(24000);
        source.setSpeed({speed});
        const tone = (n) => Math.sin((2 * Math.PI * 200 * n) / 24000);
        source.push(Float32Array.from({{ length: 48000 }}, (_, n) => tone(n)));
        source.finish();
        const heard = [];
        const block = new Float32Array(128);
        for (let count; (count = source.read(block)) > 0;) heard.push(...block.subarray(0, count));
        const waves = heard.filter((value, n) => n > 0 && heard[n - 1] < 0 && value >= 0).length;
        return [heard.length / 24000, waves / (heard.length / 24000), Math.max(...heard), source.ended];
        """
    )
    seconds, hertz, loudest, ended = found
    assert abs(seconds - 2 / speed) < 0.05
    assert abs(hertz - 200) < 4
    assert loudest < 1.01
    assert ended


def test_a_queue_gives_each_sample_once_however_it_is_fed_and_read(with_source):
    assert with_source(
        """
        const source = new Source(24000);
        const heard = [];
        let pushed = 0;
        for (let round = 0; round < 400; round += 1) {
          const size = (round * 131) % 2000;
          source.push(Float32Array.from({ length: size }, (_, n) => pushed + n));
          pushed += size;
          const block = new Float32Array((round * 97) % 1500);
          heard.push(...block.subarray(0, source.read(block)));
        }
        const rest = new Float32Array(pushed);
        heard.push(...rest.subarray(0, source.read(rest)));
        return heard.length === pushed && heard.every((value, n) => value === n);
        """
    )
