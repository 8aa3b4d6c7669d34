// One sentence of a transcript: when it is said and by whom, its words, and the field to edit them in.

import { element, icon, ICONS } from "./element.js";
import { retimed } from "./retime.js";
import { clock, isDoubtful, mark } from "./scores.js";
import { Words } from "./words.js";

const MEANS = {
  "score-low": "may be misheard",
  "score-mid": "worth a look",
  unfit: "does not fit the recording",
  guessed: "its time is a guess",
};

/**
 * A list item. `onSeek(seconds)`: what is to be heard; `onOpen()` before an edit, `onEdit(segment)` after it:
 * without that nothing can be edited.
 */
export class SegmentView {
  #task;
  #onOpen;
  #onEdit;

  /**
   * @param {Object} segment
   * @param {{task: string, onSeek: function, onOpen?: function, onEdit?: function}} how
   */
  constructor(segment, { task, onSeek, onOpen, onEdit = null }) {
    this.#task = task;
    this.#onOpen = onOpen;
    this.#onEdit = onEdit;
    this.segment = segment;
    this.text = element("div", { class: "grow", ondblclick: onEdit && ((event) => this.#editAt(event)) });
    this.words = new Words(this.text, { onSeek, each: (span, word) => this.#mark(span, word) });
    const at = clock(segment.start);
    this.from = element(
      "button",
      {
        type: "button",
        class: "quiet small number",
        "aria-label": `Hear from ${at}`,
        onclick: () => onSeek(segment.start),
      },
      at,
    );
    this.edit = element(
      "button",
      {
        type: "button",
        class: `icon small quiet${onEdit ? "" : " unseen"}`,
        "aria-label": `Edit what is said at ${at}`,
        onclick: () => this.#open(),
      },
      icon(ICONS.edit),
    );
    const speaker = segment.speaker && element("p", { class: "speaker" }, segment.speaker);
    this.element = element(
      "li",
      { class: "segment" },
      this.from,
      element("div", { class: "grow" }, speaker, this.text),
      this.edit,
    );
    this.words.show(segment.words);
  }

  /** Marks the word that is said then; none of it with null. */
  said = (seconds) => this.words.said(seconds);

  #mark(span, word) {
    const mark_ = mark(word, this.#task);
    if (mark_ === null) return;
    span.classList.add(mark_);
    span.title =
      word.score === null ? MEANS[mark_] : `${MEANS[mark_]} (${Math.round(word.score * 100)} of 100)`;
    if (isDoubtful(word, this.#task)) span.dataset.doubtful = "";
  }

  #editAt(event) {
    const span = event.target.closest("[data-start]");
    const at = span ? this.words.spans.indexOf(span) : -1;
    this.#open(at);
  }

  /** The whole sentence as text, with that word selected. */
  #open(word = -1) {
    if (this.form) return;
    this.#onOpen();
    const written = this.segment.words.map((each) => each.word);
    const input = element("textarea", {
      class: "reading",
      rows: 2,
      "aria-label": `What is said at ${clock(this.segment.start)}`,
      value: written.join(" "),
      onkeydown: (event) => this.#key(event),
    });
    this.input = input;
    this.form = element(
      "div",
      { class: "stack tight" },
      input,
      element(
        "div",
        { class: "row" },
        element("button", { type: "button", class: "primary small", onclick: () => this.#save() }, "Save"),
        element(
          "button",
          { type: "button", class: "small", onclick: () => this.#close() },
          "Leave as it was",
        ),
        element("span", { class: "hint" }, "Words that stay keep their times."),
      ),
    );
    this.text.hidden = this.edit.hidden = true;
    this.text.after(this.form);
    input.focus();
    const before = written.slice(0, Math.max(0, word)).join(" ").length;
    if (word >= 0)
      input.setSelectionRange(before + (word ? 1 : 0), before + (word ? 1 : 0) + written[word].length);
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") this.#close();
    else if (event.key === "Enter") this.#save();
    else return;
    event.preventDefault();
  }

  #save() {
    const words = retimed(this.segment.words, this.input.value, this.segment);
    this.segment = { ...this.segment, text: words.map(({ word }) => word).join(" "), words };
    this.words.show(words);
    this.#close();
    this.#onEdit(this.segment);
  }

  #close() {
    this.form.remove();
    this.form = null;
    this.text.hidden = this.edit.hidden = false;
    this.edit.focus();
  }
}
