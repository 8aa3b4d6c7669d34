// A download in hand: it waits until everything that goes into it is made.

import { fileOf, save, slug } from "./download.js";

export class Downloads {
  #page;
  #wanted = null;

  /** `transport` shows how far it is; `maker` makes what is missing. */
  constructor({ api, say, kept, maker, transport }) {
    this.#page = { api, say, kept, maker, transport };
  }

  /** Of one sentence only, or of the whole track. */
  want({ format, only, language }, track) {
    this.#wanted = { format, only, language, begun: false };
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
    if (!wanted) return;
    const sentences = wanted.only ? [wanted.only] : track.sentences;
    const made = sentences.filter(({ take }) => take.complete).length;
    progress.value = made / sentences.length;
    if (made === sentences.length && !wanted.begun) this.#make(wanted, sentences);
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
      say(`The file could not be made: ${error.message}`, { kind: "bad" });
    }
    this.drop();
  }
}
