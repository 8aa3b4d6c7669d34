// Makes the sentences of a track, a few at a time and no further ahead than is needed.

import { isAway, spoken } from "./speech.js";
import { Take } from "./takes.js";
import { nextToMake } from "./track.js";

const AT_ONCE = 2;
const AHEAD_S = 60;
/** After so many failures in a row the next ones are not tried. */
const MOST_FAILURES = 3;
/** After these none would do better. */
const HOPELESS = new Set(["allowance_used", "upstream_refused"]);
/** A machine that says nothing of itself is tried again after so long. */
const AWAY_S = 20;

/**
 * Events, each with the take in `detail`: `audio` and `words` as they come, `done`, `failed` with the error
 * in it, `reset` where it was cancelled or is made anew; and `away` with the error, `back`, and `gaveup` with
 * it.
 */
export class Maker extends EventTarget {
  #api;
  #kept;
  #track = null;
  #working = new Map();
  #running = false;
  #failures = 0;
  #awayTimer = null;
  /** Makes everything, not only what is heard next. */
  all = false;
  place = { index: 0, offsetS: 0 };

  constructor({ api, kept }) {
    super();
    this.#api = api;
    this.#kept = kept;
  }

  get away() {
    return this.#awayTimer !== null;
  }

  get working() {
    return this.#working.size > 0;
  }

  /** How many are being made; those that only wait to be cancelled are in nobody's way. */
  get #busy() {
    return [...this.#working.values()].filter(({ cancelled }) => !cancelled).length;
  }

  start(track) {
    this.#track = track;
    this.#running = true;
    this.#failures = 0;
    const wanted = new Set(track.sentences.map(({ take }) => take));
    // what was to be cancelled, and has not been yet, is wanted again where it is still in the text
    for (const [take, work] of this.#working) {
      if (wanted.has(take)) work.cancelled = work.abort.signal.aborted;
    }
    this.tick();
  }

  /** Looks whether there is something to make. */
  tick() {
    while (this.#running && !this.away && this.#busy < AT_ONCE) {
      const sentence = nextToMake(this.#track.sentences, this.place, { aheadS: AHEAD_S, all: this.all });
      if (!sentence) return;
      this.#make(sentence, sentence.take);
    }
  }

  /** Once more, by other lots; resolves with the new take once it is whole. Throws why it is not. */
  async again(sentence) {
    const take = new Take({ seed: crypto.getRandomValues(new Uint32Array(1))[0] });
    try {
      await this.#speak(sentence, take, newWork(), () => {});
    } catch (error) {
      this.#kept.deleteTake(take);
      throw error;
    }
    return take;
  }

  /** The machine is there again. */
  back() {
    if (!this.away) return;
    clearTimeout(this.#awayTimer);
    this.#awayTimer = null;
    this.#tell("back");
    this.tick();
  }

  /** Nothing more is made, and what is being made is cancelled. */
  stop({ leaving = false } = {}) {
    this.#running = false;
    this.all = false;
    clearTimeout(this.#awayTimer);
    this.#awayTimer = null;
    for (const [take, work] of this.#working) this.#cancel(take, work, leaving);
  }

  /** A job that has no id yet is cancelled as soon as it has one: its name would keep it going. */
  #cancel(take, work, leaving) {
    work.cancelled = true;
    if (take.jobId === null && !leaving) return;
    work.abort.abort();
    if (take.jobId === null) return;
    // it may have ended by itself, and then there is nothing to cancel
    this.#api.send("DELETE", `/api/queue/${take.jobId}`, { keepalive: true }).catch(() => {});
  }

  async #make(sentence, take) {
    take.state = "making";
    const work = newWork();
    try {
      await this.#speak(sentence, take, work, (name) => this.#tell(name, take));
      this.#failures = 0;
      this.#tell("done", take);
    } catch (error) {
      this.#failed(take, work, error);
    }
    this.tick();
  }

  async #speak(sentence, take, work, tell) {
    this.#working.set(take, work);
    try {
      await this.#kept.saveTake(take);
      await this.#receive(sentence, take, work, tell);
      if (!work.cancelled) await this.#kept.saveTake(take);
    } finally {
      this.#working.delete(take);
    }
  }

  async #receive(sentence, take, work, tell) {
    const body = take.seed === null ? sentence.body : { ...sentence.body, seed: take.seed };
    const onJob = (id) => {
      take.jobId = id;
      if (work.cancelled) this.#cancel(take, work, false);
    };
    const had = { key: take.key, from: take.length, attempt: take.attempt };
    for await (const piece of spoken({ body, ...had, signal: work.abort.signal, onJob })) {
      if (piece.begunAgain) {
        take.beginAgain();
        tell("reset");
        continue;
      }
      if (piece.done) {
        Object.assign(take, { state: "done", words: piece.words, finishReason: piece.finishReason });
        return;
      }
      take.append(piece.samples, piece.rate, piece.attempt);
      if (piece.words.length > 0) {
        take.words.push(...piece.words);
        tell("words");
      }
      tell("audio");
    }
  }

  #failed(take, work, error) {
    if (work.cancelled || (take.restored && error.code === "job_cancelled")) {
      take.reset();
      this.#tell("reset", take);
      return;
    }
    if (isAway(error)) {
      take.state = "waiting";
      this.#awayFor(error);
      return;
    }
    Object.assign(take, { state: "failed", error });
    this.#kept.saveTake(take);
    this.#failures += 1;
    this.#tell("failed", take);
    if (this.#failures >= MOST_FAILURES || HOPELESS.has(error.code)) {
      this.stop();
      this.#tell("gaveup", error);
    }
  }

  #awayFor(error) {
    clearTimeout(this.#awayTimer);
    this.#awayTimer = setTimeout(() => this.back(), AWAY_S * 1000);
    this.#tell("away", error);
  }

  #tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function newWork() {
  return { abort: new AbortController(), cancelled: false };
}
