// Plays samples as they come, and says what is heard now by the audio's own clock.

import { ScheduledOutput, WorkletOutput } from "./outputs.js";

const FULL_SCALE = 32768;
const MOST_REPORTS = 200;
const DEVICE_MS = 8000;

/**
 * One stretch of audio that grows: `append` adds to its end, and `seek` empties it, so that what is appended
 * next begins there. Events: `playing` and `paused`, `late` where the device has not begun for seconds,
 * `starved` where it waits for samples, `flowing` where they came, and `ended` once everything was played after
 * `finish`.
 */
export class Player extends EventTarget {
  #context = null;
  #opening = null;
  #output = null;
  #rate;
  #epoch = 0;
  #end = 0;
  #speed = 1;
  #finished = false;
  #playing = false;
  #heldBackS = 0;
  #late = null;
  /** What the output said, oldest first: {at, position, speed, ended}. */
  #reports = [{ at: -Infinity, position: 0, speed: 0, ended: false }];

  constructor({ rate = 24_000 } = {}) {
    super();
    this.#rate = rate;
  }

  get playing() {
    return this.#playing;
  }

  get speed() {
    return this.#speed;
  }

  set speed(speed) {
    this.#speed = speed;
    this.#output?.setSpeed(speed);
  }

  /** Seconds, of what is heard now: the context's clock less what the device still holds back. */
  get position() {
    const now = this.#heardAt();
    const report = this.#reports.findLast(({ at }) => at <= now) ?? this.#reports[0];
    const since = Math.max(0, Math.min(now - report.at, 3600));
    const position = report.position / this.#rate + (report.speed === 0 ? 0 : since * report.speed);
    return Math.min(position, this.#end / this.#rate);
  }

  /** Seconds: where what was appended ends. */
  get end() {
    return this.#end / this.#rate;
  }

  /** The AudioContext, once there is one. */
  get context() {
    return this.#context;
  }

  /** Ready to play; called by what a person does, for a browser plays nothing unasked. */
  open() {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Int16 samples, mono, after those that are there. */
  append(samples, rate = this.#rate) {
    const own = floats(samples, rate / this.#rate);
    this.#end += own.length;
    this.#pass((output) => output.push(own));
  }

  /** Nothing more is appended before the next `seek`. */
  finish() {
    this.#finished = true;
    this.#pass((output) => output.finish());
  }

  /** Resolves once it is heard: Firefox waits for ever where there is no device, and any browser may be slow. */
  async play() {
    this.#playing = true;
    await this.open();
    if (!this.#playing) return;
    clearTimeout(this.#late);
    this.#late = setTimeout(() => this.dispatchEvent(new Event("late")), DEVICE_MS);
    await this.#context.resume();
    clearTimeout(this.#late);
    this.dispatchEvent(new Event("playing"));
  }

  async pause() {
    this.#heardAt(); // held from now on
    this.#playing = false;
    clearTimeout(this.#late);
    await this.#context?.suspend();
    this.dispatchEvent(new Event("paused"));
  }

  /** Silence, and back to the start. */
  async stop() {
    await this.pause();
    this.seek(0);
  }

  /** Empties it: what is appended next is at `seconds`. */
  seek(seconds) {
    const position = Math.round(seconds * this.#rate);
    this.#epoch += 1;
    this.#end = position;
    this.#finished = false;
    this.#reports = [{ at: -Infinity, position, speed: 0, ended: false }];
    this.#pass((output) => output.flush(position, this.#epoch));
  }

  async close() {
    await this.#opening;
    this.#output?.close();
    await this.#context?.close();
  }

  async #open() {
    const context = new AudioContext({ sampleRate: this.#rate, latencyHint: "interactive" });
    this.#context = context;
    if (!this.#playing) await context.suspend();
    const report = (told) => this.#told(told);
    const output = context.audioWorklet
      ? await WorkletOutput.open(context, report)
      : new ScheduledOutput(context, report);
    if (this.#speed !== 1) output.setSpeed(this.#speed);
    for (const act of this.#waiting) act(output);
    this.#waiting = [];
    this.#output = output;
  }

  /** What is to be done as soon as there is an output. */
  #waiting = [];

  #pass(act) {
    if (this.#output) act(this.#output);
    else this.#waiting.push(act);
  }

  #heardAt() {
    if (!this.#context) return 0;
    const { currentTime, outputLatency, baseLatency } = this.#context;
    if (this.#playing) this.#heldBackS = outputLatency || baseLatency || 0; // silence moves nothing
    return currentTime - this.#heldBackS;
  }

  #told({ at, position, speed, ended, epoch }) {
    if (epoch !== this.#epoch) return;
    const last = this.#reports.at(-1);
    this.#reports.push({ at, position, speed, ended });
    if (this.#reports.length > MOST_REPORTS) this.#reports.splice(0, MOST_REPORTS / 2);
    if (ended && !last.ended) this.dispatchEvent(new Event("ended"));
    else if (speed === 0 && last.speed !== 0) this.dispatchEvent(new Event("starved"));
    else if (speed !== 0 && last.speed === 0) this.dispatchEvent(new Event("flowing"));
  }
}

/** In −1…1, at a rate that is `ratio` times lower. */
function floats(samples, ratio) {
  const out = new Float32Array(ratio === 1 ? samples.length : Math.floor(samples.length / ratio));
  for (let n = 0; n < out.length; n += 1) {
    const at = n * ratio;
    const index = Math.floor(at);
    const next = Math.min(index + 1, samples.length - 1);
    out[n] = (samples[index] + (samples[next] - samples[index]) * (at - index)) / FULL_SCALE;
  }
  return out;
}
