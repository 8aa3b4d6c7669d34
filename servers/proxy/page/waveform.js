// The waveform of a track: what was made, what was heard of it, and how much is still to come.

import { SAMPLES_PER_PEAK } from "./takes.js";

const BAR_PX = 2;
const STEP_PX = 3;
/** A long track is looked at in runs of so many peaks. */
const PEAKS_PER_RUN = 16;
/** Where nothing was made yet: what speech takes on average. */
const S_PER_CHARACTER = 0.065;

/** Seconds of the whole track: as long as what is there, and what the rest will take at the same pace. */
export function expectedSeconds(sentences) {
  let seconds = 0;
  let said = 0;
  let unsaid = 0;
  for (const { text, take } of sentences) {
    if (take.complete) [seconds, said] = [seconds + take.seconds, said + (take.length ? text.length : 0)];
    else unsaid += text.length;
  }
  const pace = said > 0 && seconds > 0 ? seconds / said : S_PER_CHARACTER;
  return seconds + unsaid * pace;
}

/** The loudest of each of `count` equal parts of `seconds`, in 0…1; null where nothing was made. */
export function barsOf(track, seconds, count) {
  const bars = new Array(count).fill(null);
  track.starts.forEach((start, index) => {
    const { peaks, rate } = track.sentences[index].take;
    const peakS = SAMPLES_PER_PEAK / rate;
    const isLong = seconds / count > 4 * PEAKS_PER_RUN * peakS;
    const stepS = isLong ? PEAKS_PER_RUN * peakS : peakS;
    const barAt = (n) => Math.floor(((start + n * stepS) / seconds) * count);
    (isLong ? runsOf(peaks) : peaks).forEach((peak, n) => {
      const end = Math.min(count, Math.max(barAt(n) + 1, barAt(n + 1)));
      for (let bar = barAt(n); bar < end; bar += 1) bars[bar] = Math.max(bars[bar] ?? 0, peak);
    });
  });
  return bars;
}

const known = new WeakMap();

/** The loudest of each run; what was looked at once is not looked at again. */
function runsOf(peaks) {
  if (!known.has(peaks)) known.set(peaks, []);
  const whole = known.get(peaks);
  const runFrom = (at) => Math.max(...peaks.slice(at, at + PEAKS_PER_RUN));
  let at = whole.length * PEAKS_PER_RUN;
  for (; at + PEAKS_PER_RUN <= peaks.length; at += PEAKS_PER_RUN) whole.push(runFrom(at));
  return at < peaks.length ? [...whole, runFrom(at)] : whole;
}

/** Draws a bar anew only where it has changed. */
export class Waveform {
  #canvas;
  #track = null;
  #bars = [];
  #seconds = 1;
  #atS = 0;
  /** How many of the drawn bars are in the colour of what was heard. */
  #drawn = 0;
  #width = 0;
  #height = 0;
  #colours = [];

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(([{ contentRect }]) => this.#resized(contentRect)).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#all());
  }

  /** What it shows has changed. */
  show(track, seconds) {
    this.#track = track;
    this.#seconds = seconds;
    const before = this.#bars;
    this.#bars = this.#measured();
    this.#bars.forEach((peak, index) => peak !== before[index] && this.#draw(index));
    this.at(this.#atS);
  }

  /** The playhead. */
  at(seconds) {
    this.#atS = seconds;
    const heard = Math.min(this.#bars.length, Math.round((seconds / this.#seconds) * this.#bars.length));
    const [from, until] = [Math.min(heard, this.#drawn), Math.max(heard, this.#drawn)];
    this.#drawn = heard;
    for (let index = from; index < until; index += 1) this.#draw(index);
  }

  #measured() {
    const count = Math.floor(this.#width / STEP_PX);
    return this.#track && count > 0 ? barsOf(this.#track, this.#seconds, count) : [];
  }

  #resized({ width, height }) {
    const scale = devicePixelRatio || 1;
    Object.assign(this.#canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    [this.#width, this.#height] = [width, height];
    this.#bars = this.#measured();
    this.#all();
  }

  /** In the colours of now. */
  #all() {
    const style = getComputedStyle(this.#canvas);
    this.#colours = ["--accent", "--edge"].map((name) => style.getPropertyValue(name).trim());
    const scale = devicePixelRatio || 1;
    const context = this.#canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    this.#drawn = 0;
    this.#bars.forEach((_, index) => this.#draw(index));
    this.at(this.#atS);
  }

  #draw(index) {
    const peak = this.#bars[index];
    const tall = peak === null ? 1 : Math.max(2, Math.sqrt(peak) * this.#height);
    const context = this.#canvas.getContext("2d");
    const [accent, edge] = this.#colours;
    context.clearRect(index * STEP_PX, 0, STEP_PX, this.#height);
    context.fillStyle = index < this.#drawn ? accent : edge;
    context.globalAlpha = peak === null ? 0.5 : 1;
    context.fillRect(index * STEP_PX, (this.#height - tall) / 2, BAR_PX, tall);
  }
}
