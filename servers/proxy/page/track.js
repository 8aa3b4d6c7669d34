// The sentences of a script one after the other in time, and which of them is made next; pure.

import { countUntil } from "./words.js";

/** `sentences` are [{text, voice, paragraph, body, take, other}]: `other` is the take before `take`. */
export class Track {
  #starts = null;

  constructor(sentences) {
    this.sentences = sentences;
  }

  /** To be called when a take has changed. */
  changed() {
    this.#starts = null;
  }

  /** Seconds at which each sentence begins, as far as those before it are complete. */
  get starts() {
    this.#starts ??= startsOf(this.sentences);
    return this.#starts;
  }

  /** Seconds that can be heard by now, without a gap, from the start. */
  get seconds() {
    const last = this.starts.length - 1;
    return last < 0 ? 0 : this.starts[last] + this.sentences[last].take.seconds;
  }

  get complete() {
    return this.sentences.every(({ take }) => take.complete);
  }

  startOf(index) {
    return this.starts[index];
  }

  /** {index, offsetS} of a time; the end of what is there for a later one. */
  placeOf(seconds) {
    const index = Math.max(0, countUntil(this.starts, seconds) - 1);
    const length = this.sentences[index]?.take.seconds ?? 0;
    return { index, offsetS: Math.min(Math.max(0, seconds - (this.starts[index] ?? 0)), length) };
  }

  secondsOf({ index, offsetS }) {
    return (this.starts[index] ?? this.seconds) + offsetS;
  }
}

function startsOf(sentences) {
  const starts = [];
  let at = 0;
  for (const { take } of sentences) {
    starts.push(at);
    if (!take.complete) break;
    at += take.seconds;
  }
  return starts;
}

/**
 * The sentence to make next, or null: the first from `place` on that nobody makes, while less than `aheadS`
 * seconds are there after the place; with `all` every one, those before the place too.
 */
export function nextToMake(sentences, place, { aheadS, all }) {
  let ahead = -place.offsetS;
  for (const sentence of sentences.slice(place.index)) {
    if (!all && ahead >= aheadS) return null;
    if (sentence.take.state === "waiting") return sentence;
    ahead += sentence.take.seconds;
  }
  return (all && sentences.slice(0, place.index).find(({ take }) => take.state === "waiting")) || null;
}
