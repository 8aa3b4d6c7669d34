// What is heard of a recording while the rest of it is, sentence by sentence, until its transcript takes their
// place.

import { element } from "./element.js";
import { worded } from "./scores.js";
import { SegmentView } from "./segment.js";

/** So many rows above those on the screen have their height at once: the browser would lay them out next. */
const ABOVE = 60;

/** A list in the place of a transcript's. A screen reader can read it, and is not told what is added. */
export class Heard {
  #task;
  #transcript;
  #views = [];

  /** @param {string} task @param {import("./transcript.js").Transcript} transcript */
  constructor(task, transcript) {
    this.#task = task;
    this.#transcript = transcript;
    this.element = element("ol", {
      class: "heard",
      hidden: true,
      "aria-label": "Heard so far",
      "aria-live": "off",
    });
    transcript.list.before(this.element);
  }

  /**
   * One more. A number that is there already is told again: after a lost connection as it was, or because all
   * is heard anew, and then what followed it is void.
   * @param {number} index
   * @param {Object} segment as a server tells it
   */
  show(index, segment) {
    const known = this.#views[index]?.segment;
    if (known?.start === segment.start && known.text === segment.text) return;
    for (const view of this.#views.splice(index)) view.element.remove();
    const [whole] = worded({ segments: [segment] }).segments;
    const view = new SegmentView(whole, {
      task: this.#task,
      onSeek: (seconds) => this.#transcript.hear(seconds),
    });
    this.#views.push(view);
    this.element.append(view.element);
    this.element.hidden = false;
  }

  clear() {
    this.#views = [];
    this.element.replaceChildren();
    this.element.hidden = true;
  }

  /**
   * The transcript takes its place, not before all of it is built, for what somebody reads may be far down;
   * `before` is called just before. Resolves then, or once the signal is aborted or something else is shown.
   * @param {Object} result
   * @param {AbortSignal} signal
   * @param {function(): void} before
   */
  giveWay(result, signal, before) {
    const swap = (put) => signal.aborted || this.#swap(() => (before(), put()));
    return this.#transcript.showWhole(result, swap);
  }

  /** What somebody reads stays where it is, and what has the focus keeps it. */
  #swap(show) {
    const { list } = this.#transcript;
    const rows = [...this.element.children];
    const seen = [...rows.keys()].filter((index) => isOnScreen(rows[index]));
    const held = rows.findIndex((row) => row.contains(document.activeElement));
    const before = rows[seen[0]]?.getBoundingClientRect().top;
    show();
    this.clear();
    const now = list.children[seen[0]];
    const near = [...list.children].slice(Math.max(0, seen[0] - ABOVE), seen.at(-1) + 1);
    for (const row of near) row.style.contentVisibility = "visible";
    if (now) scrollBy({ top: now.getBoundingClientRect().top - before, behavior: "instant" });
    list.children[held]?.querySelector("button").focus({ preventScroll: true });
  }
}

function isOnScreen(row) {
  const { top, bottom } = row.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
