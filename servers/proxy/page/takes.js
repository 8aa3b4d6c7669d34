// The takes of a script's sentences: what was spoken, and which of it a changed text has already.

/** Peaks are the loudest of so many samples. */
export const SAMPLES_PER_PEAK = 480;

/** One time that a sentence was spoken. `state` is waiting, making, done or failed. */
export class Take {
  #pieces = [];

  constructor(about = {}) {
    const names = { id: randomName(), key: randomName(), seed: null };
    Object.assign(this, names, { state: "waiting", rate: 24_000, length: 0 });
    Object.assign(this, { words: [], peaks: [], finishReason: null, error: null }, about);
    /** The server's attempt at it that its samples are of. */
    this.attempt = undefined;
    this.jobId = null;
  }

  get seconds() {
    return this.length / this.rate;
  }

  get complete() {
    return this.state === "done" || this.state === "failed";
  }

  /** Whether its samples are in memory. */
  get loaded() {
    return this.length === 0 || this.#pieces.length > 0;
  }

  append(samples, rate, attempt) {
    Object.assign(this, { rate, attempt });
    this.#pieces.push(samples);
    this.length += samples.length;
    this.#addPeaks();
  }

  /** All of it in one piece. */
  samples() {
    if (!this.loaded) throw new Error("The samples of this take are not in memory.");
    if (this.#pieces.length !== 1) {
      const whole = new Int16Array(this.length);
      this.#pieces.reduce((at, piece) => (whole.set(piece, at), at + piece.length), 0);
      this.#pieces = [whole];
    }
    return this.#pieces[0];
  }

  load(samples) {
    this.#pieces = [samples];
  }

  unload() {
    this.#pieces = [];
  }

  /** As if it had never been begun, with another name: the old one's job may be cancelled. */
  reset() {
    Object.assign(this, { key: randomName(), state: "waiting", error: null, jobId: null, restored: false });
    this.beginAgain();
  }

  /** Without what it has, which the server has made anew. */
  beginAgain() {
    Object.assign(this, { length: 0, words: [], peaks: [], attempt: undefined });
    this.#pieces = [];
  }

  about() {
    const { id, key, seed, state, rate, length, words, peaks, finishReason } = this;
    return { id, key, seed, state, rate, length, words, peaks, finishReason };
  }

  #addPeaks() {
    const whole = Math.floor(this.length / SAMPLES_PER_PEAK);
    if (this.peaks.length === whole && !this.complete) return;
    const samples = this.samples();
    while (this.peaks.length < whole) {
      const start = this.peaks.length * SAMPLES_PER_PEAK;
      this.peaks.push(loudest(samples.subarray(start, start + SAMPLES_PER_PEAK)));
    }
  }
}

/** In 0…1. */
function loudest(samples) {
  let most = 0;
  for (const sample of samples) most = Math.max(most, Math.abs(sample));
  return Math.round((most / 32768) * 1000) / 1000;
}

/** Also on plain http, where crypto.randomUUID is not. */
export function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The sentences that are asked for, each with the takes of one of `before` that asks for the very same, or
 * with a new one: {sentences, unused}. What failed is tried anew.
 */
export function taken(asked, before) {
  const left = new Map();
  for (const sentence of before) {
    const name = JSON.stringify(sentence.body);
    left.set(name, [...(left.get(name) ?? []), sentence]);
  }
  const sentences = asked.map((sentence) => {
    const { take, other = null } = left.get(JSON.stringify(sentence.body))?.shift() ?? {};
    return { ...sentence, take: take && take.state !== "failed" ? take : new Take(), other };
  });
  const unused = [...left.values()].flat().flatMap(({ take, other }) => [take, other]);
  return { sentences, unused: unused.filter(Boolean) };
}
