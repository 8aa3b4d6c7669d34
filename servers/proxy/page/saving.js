// When the script is written, and the place in it: the script as it changes, the place now and then.

const EVERY_MS = 2000;
const AFTER_MS = 400;

export class Saving {
  #kept;
  #read;
  #begun = false;
  #changed = false;
  #book = null;
  #timer = null;
  #savedAt = 0;

  /** `read` has the functions `script`, `book` and `place`, each of which gives what is to be written. */
  constructor(kept, read) {
    this.#kept = kept;
    this.#read = read;
  }

  /** What was kept is there: a page that goes before that must not forget it. */
  begin() {
    this.#book = this.#read.book();
    this.#begun = true;
  }

  /** A letter, a choice or a take is another: that is written soon. */
  changed() {
    this.#changed = true;
    this.moved();
  }

  /** The place is another one, and may be yet another at once. */
  moved() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), AFTER_MS);
  }

  /** To be called again and again while it plays. */
  tick() {
    if (performance.now() - this.#savedAt > EVERY_MS) this.now();
  }

  /** The place, and before it what of the script has changed. */
  now() {
    if (!this.#begun) return;
    clearTimeout(this.#timer);
    this.#savedAt = performance.now();
    if (this.#changed) this.#saveScript();
    this.#kept.savePlace(this.#read.place());
  }

  #saveScript() {
    this.#changed = false;
    this.#kept.saveScript(this.#read.script());
    const book = this.#read.book();
    if (book === this.#book) return;
    this.#book = book;
    this.#kept.saveBook(book);
  }
}
