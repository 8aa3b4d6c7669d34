// Which sentence is heard, and what can be done with it: say it again, keep that, or take it back.

import { element, icon, ICONS } from "./element.js";

/** Events: `again`, `keep` and `takeback`. */
export class SentenceBar extends EventTarget {
  constructor() {
    super();
    const press = (name) => ({ type: "button", class: "small", onclick: () => this.#tell(name) });
    const act = (name, path, label) => element("button", press(name), icon(path), label);
    this.which = element("span", { class: "quiet-text small number" });
    this.again = act("again", ICONS.again, "Say again");
    this.keep = act("keep", ICONS.check, "Keep");
    this.takeBack = act("takeback", ICONS.undo, "Take back");
    const parts = [this.which, this.again, this.keep, this.takeBack];
    this.root = element("div", { class: "row of-sentence", hidden: true }, parts);
  }

  /** `busy` while it is being said again. */
  show(sentence, index, count, busy) {
    this.root.hidden = !sentence;
    if (!sentence) return;
    const text = `Sentence ${index + 1} of ${count}`;
    if (this.which.textContent !== text) this.which.textContent = text;
    this.again.disabled = busy || sentence.take.state !== "done";
    this.#offer(Boolean(sentence.other));
  }

  /** The focus goes on to what is left. */
  #offer(choice) {
    const focused = document.activeElement;
    if (!choice && (focused === this.keep || focused === this.takeBack)) this.again.focus();
    this.keep.hidden = this.takeBack.hidden = !choice;
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
