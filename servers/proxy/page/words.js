// Words that light up as they are said: spans with their times, and plain text for screen readers.

/** How many of `starts`, which ascend, are at or before `atS`: one less is the index of the last of them. */
export function countUntil(starts, atS) {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= atS) low = middle + 1;
    else high = middle;
  }
  return low;
}

function element(className, parent) {
  const made = document.createElement("span");
  made.className = className;
  parent.append(made);
  return made;
}

/**
 * The words of one text in `container`, in order. A word is {word, start, end}, in seconds from the start of
 * the audio; `offsetS` is where that begins in what is played, and goes to the spans' `data-start` too.
 *
 * `onSeek(seconds, index)` is called for a word that is clicked, in the time of what is played.
 * `each(span, word)` may mark a span by what else its word says.
 */
export class Words {
  #spans = [];
  #words = [];
  #starts = [];
  #current = -1;
  #offsetS = 0;
  #each;

  constructor(container, { onSeek = () => {}, each = () => {} } = {}) {
    this.#each = each;
    this.visible = element("words", container);
    this.visible.setAttribute("aria-hidden", "true");
    this.plain = element("visually-hidden", container);
    this.visible.addEventListener("click", (event) => {
      const index = this.#spans.indexOf(event.target.closest("[data-start]"));
      if (index >= 0) onSeek(this.#offsetS + this.#words[index].start, index);
    });
  }

  /** The words that are timed, as they were given. */
  get words() {
    return this.#words;
  }

  /** The span of each word, those that are not timed yet too. */
  get spans() {
    return this.#spans;
  }

  get offsetS() {
    return this.#offsetS;
  }

  set offsetS(seconds) {
    if (seconds === this.#offsetS) return;
    this.#offsetS = seconds;
    this.#words.forEach((word, index) => this.#time(this.#spans[index], word));
  }

  /** These words and no others. */
  show(words) {
    this.clear();
    this.append(words);
  }

  /** A text before it is timed: `append` then gives its words their times, one after the other. */
  write(text) {
    this.clear();
    const pieces = [];
    for (const word of text.split(/\s+/u).filter(Boolean)) this.#spans.push(this.#span(word, pieces));
    this.visible.append(...pieces);
    this.plain.textContent = text;
  }

  /** More words, after those that are there. */
  append(words) {
    const pieces = [];
    for (const word of words) {
      const index = this.#words.length;
      if (index === this.#spans.length) this.#spans.push(this.#span(word.word, pieces));
      else if (this.#spans[index].textContent !== word.word) this.#spans[index].textContent = word.word;
      this.#words.push(word);
      this.#starts.push(word.start);
      this.#time(this.#spans[index], word);
      this.#each(this.#spans[index], word);
    }
    if (pieces.length === 0) return;
    this.visible.append(...pieces);
    this.plain.textContent = this.#spans.map((span) => span.textContent).join(" ");
  }

  /** Nothing is timed any more; what is written stays. */
  forget() {
    this.#mark(-1);
    this.#words = [];
    this.#starts = [];
    for (const span of this.#spans) {
      delete span.dataset.start;
      delete span.dataset.end;
    }
  }

  /** Marks the word that is said at that time of what is played; none before the first, and for `null`.
   * Returns its span where that is another than before.
   */
  said(seconds) {
    const index = seconds === null ? -1 : countUntil(this.#starts, seconds - this.#offsetS) - 1;
    return this.#mark(index) ? this.#spans[index] : undefined;
  }

  clear() {
    this.#current = -1;
    this.#spans = [];
    this.#words = [];
    this.#starts = [];
    this.visible.replaceChildren();
    this.plain.textContent = "";
  }

  /** Whether another word than before is marked now: at most two spans change. */
  #mark(index) {
    if (index === this.#current) return false;
    this.#spans[this.#current]?.removeAttribute("aria-current");
    this.#spans[index]?.setAttribute("aria-current", "true");
    this.#current = index;
    return index >= 0;
  }

  #span(text, pieces) {
    const span = document.createElement("span");
    span.textContent = text;
    pieces.push(span, " ");
    return span;
  }

  #time(span, word) {
    span.dataset.start = (this.#offsetS + word.start).toFixed(3);
    span.dataset.end = (this.#offsetS + word.end).toFixed(3);
  }
}
