// A download in hand: it waits until everything that goes into it is made.

import { fileOf, save, slug } from "./download.js";
import { clock } from "./scores.js";
import { expectedSeconds } from "./waveform.js";

const BYTES_PER_SAMPLE = 2;
const MEGABYTE = 1_000_000;
/** What is only expected may be wrong by so much. */
const DOUBT = 1.25;

/**
 * Why no mp3 can be made of the sentences, or null: the server makes it, of `mostS` seconds at most. Where
 * not all of them are made yet, only where it is as good as certain.
 */
export function refusalOf(sentences, mostS) {
  const madeS = sentences.reduce((sum, { take }) => sum + take.seconds, 0);
  const expectedS = expectedSeconds(sentences);
  if (madeS <= mostS && expectedS <= mostS * DOUBT) return null;
  const takes = `takes ${madeS < expectedS ? "about " : ""}${clock(Math.max(madeS, expectedS))}`;
  const rest = `and this ${takes}: choose WAV or ZIP, or speak it in parts.`;
  return `As mp3 at most ${clock(mostS)} can be had, ${rest}`;
}

export class Downloads {
  #page;
  #wanted = null;

  /** `transport` shows how far it is; `maker` makes what is missing. */
  constructor({ api, say, kept, maker, transport }) {
    this.#page = { api, say, kept, maker, transport };
  }

  /** Of one sentence only, or of the whole track. Nothing is made for what would be refused at its end. */
  async want({ format, only, language }, track) {
    const wanted = { format, only, language, mostS: null, begun: false };
    this.#wanted = wanted;
    wanted.mostS = await this.#mostS(format, track);
    if (wanted !== this.#wanted || this.#refused(wanted, track)) return;
    this.#page.maker.all = !only;
    this.#page.maker.start(track);
  }

  /** Nobody wants it any more. */
  drop() {
    this.#wanted = null;
    this.#page.maker.all = false;
  }

  /** Shows how far it is, and begins it once nothing is missing. */
  tell(track) {
    const { progress, get, cancel } = this.#page.transport;
    const wanted = this.#wanted;
    cancel.hidden = progress.hidden = !wanted;
    get.disabled = wanted !== null;
    if (!wanted || wanted.mostS === null || wanted.begun || this.#refused(wanted, track)) return;
    const sentences = sentencesOf(wanted, track);
    const made = sentences.filter(({ take }) => take.complete).length;
    progress.value = made / sentences.length;
    if (made === sentences.length) this.#make(wanted, sentences);
  }

  /** The longest that can be made of it, in seconds; what cannot be asked now is refused when it is made. */
  async #mostS(format, { sentences }) {
    if (format !== "mp3") return Infinity;
    const { limits } = await this.#page.api.visitor().catch(() => ({ limits: {} }));
    const bytesPerS = (sentences[0]?.take.rate ?? 1) * BYTES_PER_SAMPLE;
    return Math.min(
      limits.max_file_s ?? Infinity,
      ((limits.max_file_mb ?? Infinity) * MEGABYTE) / bytesPerS,
    );
  }

  #refused(wanted, track) {
    const refusal = refusalOf(sentencesOf(wanted, track), wanted.mostS);
    if (!refusal) return false;
    this.drop();
    this.#page.say(refusal, { kind: "bad" });
    return true;
  }

  async #make(wanted, sentences) {
    wanted.begun = true;
    const { api, say, kept } = this.#page;
    const how = { api, language: wanted.language, samplesOf: (take) => kept.samplesOf(take) };
    try {
      const blob = await fileOf(wanted.format, sentences, how);
      if (wanted !== this.#wanted) return;
      save(blob, `${slug(sentences[0].text)}.${wanted.format}`);
      const missing = sentences.filter(({ take }) => take.state === "failed").length;
      if (missing) say(`${missing} of the sentences failed: the file is without them.`, { kind: "warn" });
    } catch (error) {
      say(`The file could not be made. ${error.message}`, { kind: "bad" });
    }
    this.drop();
  }
}

const sentencesOf = ({ only }, { sentences }) => (only ? [only] : sentences);
