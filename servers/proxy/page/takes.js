// The takes of a script's sentences, and the script itself, as this browser keeps them.

/** Peaks are the loudest of so many samples. */
export const SAMPLES_PER_PEAK = 480;
/** So many takes' samples stay in memory beside those that are being made. */
const MOST_IN_MEMORY = 60;
const CURRENT = "current";

/** One time that a sentence was spoken. `state` is waiting, making, done or failed. */
export class Take {
  #pieces = [];

  constructor(about = {}) {
    const names = { id: randomName(), key: randomName(), seed: null };
    Object.assign(this, names, { state: "waiting", rate: 24_000, length: 0 });
    Object.assign(this, { words: [], peaks: [], finishReason: null, error: null }, about);
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

  append(samples, rate) {
    this.rate = rate;
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
    const fresh = { key: randomName(), state: "waiting", length: 0, words: [], peaks: [], error: null };
    Object.assign(this, fresh, { jobId: null, restored: false });
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
function randomName() {
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
  return { sentences, unused: [...left.values()].flat().flatMap(({ take, other }) => [take, other]) };
}

/** Whatever is asked of it goes one after the other, so that what is written last is what stays. */
export class Kept {
  #keep;
  #onError;
  #queue = Promise.resolve();
  #recent = [];

  /** `keep` is that of keep.js; `onError(error)` is told what could not be written. */
  constructor(keep, onError) {
    this.#keep = keep;
    this.#onError = onError;
  }

  /** The script as it was saved, each sentence with its takes; or null. */
  async script() {
    const script = await this.#keep.get("scripts", CURRENT);
    if (!script) return null;
    const sentences = await Promise.all(script.sentences.map((sentence) => this.#withTakes(sentence)));
    return { ...script, sentences };
  }

  saveScript({ sentences, ...script }) {
    const plain = sentences.map(({ text, voice, paragraph, body, take, other }) =>
      ({ text, voice, paragraph, body, take: take.id, other: other?.id ?? null }));
    return this.#write(() => this.#keep.put("scripts", CURRENT, { ...script, sentences: plain }));
  }

  /** One that is done, or that has its name: it is asked for by that after a reload. */
  saveTake(take) {
    const about = take.about();
    const samples = take.state === "done" ? take.samples() : null;
    return this.#write(async () => {
      if (samples) await this.#keep.put("takes", `${take.id}/audio`, samples);
      await this.#keep.put("takes", take.id, about);
      if (samples) this.#used(take);
    });
  }

  /** What was learnt of it since; its samples stay as they are kept. */
  saveAbout(take) {
    const about = take.about();
    return this.#write(() => this.#keep.put("takes", take.id, about));
  }

  deleteTake(take) {
    return this.#write(async () => {
      await this.#keep.delete("takes", take.id);
      await this.#keep.delete("takes", `${take.id}/audio`);
    });
  }

  /** The samples of a take, from memory or as they were kept. Throws a sentence where they are gone. */
  async samplesOf(take) {
    if (!take.loaded) {
      const samples = await this.#keep.get("takes", `${take.id}/audio`);
      if (!samples) throw new Error("The browser has lost this sentence: say it again.");
      take.load(samples);
      this.#used(take);
    }
    return take.samples();
  }

  /** When everything that was asked so far is written. */
  settled() {
    return this.#queue;
  }

  async #withTakes({ take, other, ...sentence }) {
    const [chosen, second] = await Promise.all([this.#take(take), other ? this.#take(other) : null]);
    return { ...sentence, take: chosen ?? new Take(), other: second };
  }

  async #take(id) {
    const about = await this.#keep.get("takes", id);
    if (!about) return null;
    if (about.state === "done") return new Take(about);
    // by its name what was made in the meantime is had; what failed would fail again by it
    const named = about.state === "failed" ? {} : { key: about.key };
    return new Take({ id, seed: about.seed, restored: true, ...named });
  }

  #used(take) {
    this.#recent = [...this.#recent.filter((each) => each !== take), take];
    while (this.#recent.length > MOST_IN_MEMORY) this.#recent.shift().unload();
  }

  #write(act) {
    this.#queue = this.#queue.then(act).catch(this.#onError);
    return this.#queue;
  }
}
