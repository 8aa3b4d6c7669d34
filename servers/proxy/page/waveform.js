// The waveform of a track: what was made, what was heard of it, and how much is still to come.

import { SAMPLES_PER_PEAK } from "./takes.js";

const BAR_PX = 2;
const STEP_PX = 3;
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
    const barAt = (n) => Math.floor(((start + (n * SAMPLES_PER_PEAK) / rate) / seconds) * count);
    peaks.forEach((peak, n) => {
      const end = Math.min(count, Math.max(barAt(n) + 1, barAt(n + 1)));
      for (let bar = barAt(n); bar < end; bar += 1) bars[bar] = Math.max(bars[bar] ?? 0, peak);
    });
  });
  return bars;
}

export class Waveform {
  #canvas;
  #track = null;
  #bars = [];
  #seconds = 1;
  #atS = 0;
  #drawn = -1;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#measure()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** What it shows has changed. */
  show(track, seconds) {
    this.#track = track;
    this.#seconds = seconds;
    this.#measure();
  }

  /** The playhead; draws only where a bar changes. */
  at(seconds) {
    this.#atS = seconds;
    if (this.#heard !== this.#drawn) this.#draw();
  }

  /** How many bars were heard. */
  get #heard() {
    return Math.round((this.#atS / this.#seconds) * this.#bars.length);
  }

  #measure() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.#canvas.width !== wide) this.#canvas.width = wide;
    if (this.#canvas.height !== high) this.#canvas.height = high;
    const count = Math.floor(width / STEP_PX);
    this.#bars = this.#track && count > 0 ? barsOf(this.#track, this.#seconds, count) : [];
    this.#draw();
  }

  #draw() {
    const heard = (this.#drawn = this.#heard);
    const context = this.#canvas.getContext("2d");
    const scale = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const style = getComputedStyle(this.#canvas);
    const [accent, edge] = ["--accent", "--edge"].map((name) => style.getPropertyValue(name).trim());
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    this.#bars.forEach((peak, index) => {
      const tall = peak === null ? 1 : Math.max(2, Math.sqrt(peak) * height);
      context.fillStyle = index < heard ? accent : edge;
      context.globalAlpha = peak === null ? 0.5 : 1;
      context.fillRect(index * STEP_PX, (height - tall) / 2, BAR_PX, tall);
    });
  }
}
