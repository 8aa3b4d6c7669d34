// When words are said by a voice that does not tell: the server that listens hears it, sentence by sentence.

import { wavHeader } from "./download.js";

/** One sentence cannot be aligned, and the next one may. */
const OF_ONE_SENTENCE = new Set([422, 500]);

export class Timing {
  #page;
  #on;
  #queue = Promise.resolve();
  #failed = false;

  /**
   * `isWanted(take)` says whether a take is still in the text; `onTimed(take)` is told each one that has its
   * words now.
   */
  constructor({ api, say, kept }, { isWanted, onTimed }) {
    this.#page = { api, say, kept };
    this.#on = { isWanted, onTimed };
  }

  /** The take's words, as soon as they are known; where nobody listens, nobody is asked before a reload. */
  want({ text, body, take }) {
    const { language } = body;
    this.#queue = this.#queue.then(() => this.#time({ text, language, take })).catch((error) => {
      if (OF_ONE_SENTENCE.has(error.status)) return;
      this.#failed = true;
      this.#page.say(`The words do not light up. ${error.message}`, { kind: "warn" });
    });
  }

  async #time({ text, language, take }) {
    if (this.#failed || !this.#on.isWanted(take) || !(await this.#free())) return;
    const samples = await this.#page.kept.samplesOf(take);
    const form = new FormData();
    form.append("file", new Blob([wavHeader(samples.length, take.rate), samples]), "sentence.wav");
    form.append("text", text);
    if (language) form.append("language", language);
    const { words } = await this.#page.api.post("/api/align", form);
    if (!this.#on.isWanted(take)) return;
    take.words = words;
    this.#page.kept.saveAbout(take);
    this.#on.onTimed(take);
  }

  /** Who has so much of it a day has not asked that it be used for this. */
  async #free() {
    const { limits } = await this.#page.api.visitor();
    return (limits?.characters_per_day ?? null) === null && (limits?.recording_mb_per_day ?? null) === null;
  }
}
