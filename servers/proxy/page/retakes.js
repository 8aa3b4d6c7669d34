// A sentence once more: said again, and the new take kept or taken back.

import { Take } from "./takes.js";

export class Retakes {
  #page;
  /** The sentence that is being said again, and the one that was said again last. */
  #saying = null;
  #last = null;

  /** `changed(index, name)` is told what became of a sentence's take. */
  constructor({ bar, kept, maker, playback, saving, say }, changed) {
    this.#page = { bar, kept, maker, playback, saving, say, changed };
    bar.addEventListener("again", () => this.again());
    bar.addEventListener("keep", () => this.#decide(true));
    bar.addEventListener("takeback", () => this.#decide(false));
  }

  /** On the bar: one that was said again until that is decided, else the one that is heard. */
  tell() {
    const sentence = this.#sentences[this.#shown];
    this.#page.bar.show(sentence, this.#shown, this.#sentences.length, this.#saying === sentence);
  }

  get #sentences() {
    return this.#page.playback.track.sentences;
  }

  get #shown() {
    const said = this.#last?.other ? this.#sentences.indexOf(this.#last) : -1;
    return said >= 0 ? said : this.#page.playback.place.index;
  }

  /** One that failed. */
  retry(index) {
    const { kept, maker, playback, saving, changed } = this.#page;
    const sentence = this.#sentences[index];
    kept.deleteTake(sentence.take);
    sentence.take = new Take();
    changed(index, "reset");
    saving.changed();
    maker.place = playback.place;
    maker.start(playback.track);
    // what is given to the player may be past it already
    if (playback.state !== "idle") playback.seek(index < playback.place.index ? startOf(index) : playback.place);
  }

  async again() {
    const { kept, maker, playback, say } = this.#page;
    const index = this.#shown;
    const sentence = this.#sentences[index];
    this.#saying = sentence;
    this.tell();
    try {
      const take = await maker.again(sentence);
      if (this.#sentences[index] !== sentence) { // another text is spoken by now
        kept.deleteTake(take);
        return;
      }
      if (sentence.other) kept.deleteTake(sentence.other);
      this.#choose(index, take, sentence.take);
      this.#last = sentence;
      await playback.resume();
    } catch (error) {
      if (error.name === "AbortError") return;
      say(`It was not said again. ${error.message}`, { kind: "bad" });
    } finally {
      this.#saying = null;
      this.tell();
    }
  }

  /** Keeps the new take, or goes back to the one before it; the other is deleted. */
  #decide(keepIt) {
    const { kept, saving } = this.#page;
    const index = this.#shown;
    const { take, other } = this.#sentences[index];
    if (!other) return;
    kept.deleteTake(keepIt ? other : take);
    if (keepIt) this.#sentences[index].other = null;
    else this.#choose(index, other, null);
    this.tell();
    saving.changed();
  }

  #choose(index, take, other) {
    Object.assign(this.#sentences[index], { take, other });
    this.#page.changed(index, "done");
    this.#page.playback.seek(startOf(index));
    this.#page.saving.changed();
  }
}

const startOf = (index) => ({ index, offsetS: 0 });
