// When words are said by a voice that does not tell: the server that listens hears it, sentence by sentence.

import { wavHeader } from "./download.js";

export class Timing {
  #page;
  #onTimed;
  #queue = Promise.resolve();
  #failed = false;

  /** `onTimed(sentence)` is told each sentence whose take has its words now. */
  constructor({ api, say, kept }, onTimed) {
    this.#page = { api, say, kept };
    this.#onTimed = onTimed;
  }

  /** The take's words, as soon as they are known; after a failure nobody is asked again before a reload. */
  want(sentence) {
    const { take } = sentence;
    this.#queue = this.#queue.then(() => this.#time(sentence, take)).catch((error) => {
      this.#failed = true;
      this.#page.say(`The words do not light up: ${error.message}`, { kind: "warn" });
    });
  }

  async #time(sentence, take) {
    if (this.#failed || sentence.take !== take || !(await this.#free())) return;
    const samples = await this.#page.kept.samplesOf(take);
    const form = new FormData();
    form.append("file", new Blob([wavHeader(samples.length, take.rate), samples]), "sentence.wav");
    form.append("text", sentence.text);
    if (sentence.body.language) form.append("language", sentence.body.language);
    const { words } = await this.#page.api.post("/api/align", form);
    take.words = words;
    this.#page.kept.saveTake(take);
    this.#onTimed(sentence);
  }

  /** Who has so much of it a day has not asked that it be used for this. */
  async #free() {
    const { limits } = await this.#page.api.visitor();
    return (limits?.characters_per_day ?? null) === null && (limits?.recording_mb_per_day ?? null) === null;
  }
}
