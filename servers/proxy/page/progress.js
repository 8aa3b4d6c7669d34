// How far a recording is: sent, waiting, heard; or what stands in the way, and what can be done about it.

import { sentence } from "./api.js";
import { element } from "./element.js";

const SENTENCES = {
  sending: () => "The recording is being sent.",
  waiting: () => "It waits for its turn.",
  again: ({ message, waitS }) =>
    `${sentence(message)} Trying again ${waitS < 2 ? "at once" : `in ${Math.round(waitS)} s`}.`,
  off: ({ status }) => `${sentence(status.message)} It goes on by itself when the machine is ready.`,
};
const STARTABLE = ["off", "failed"];

/** A row with a sentence, a bar, and the buttons that go with them. */
export class Progress {
  #verb;
  #mayStart;
  #held = false;

  /** @param {{verb: string, mayStart: function(): boolean, onCancel, onAgain, onStart}} how */
  constructor({ verb, mayStart, onCancel, onAgain, onStart }) {
    this.#verb = verb;
    this.#mayStart = mayStart;
    this.sentence = element("p", { role: "status" });
    this.bar = element("progress", { "aria-label": "Progress", max: 1 });
    this.cancel = element("button", { type: "button", class: "small", onclick: onCancel }, "Cancel");
    this.again = element("button", { type: "button", class: "small", onclick: onAgain }, "Try again");
    this.start = element(
      "button",
      { type: "button", class: "small primary", onclick: onStart },
      "Start the machine",
    );
    const buttons = element("div", { class: "row" }, this.start, this.again, this.cancel);
    this.element = element(
      "div",
      { class: "notice stack tight", hidden: true },
      this.sentence,
      this.bar,
      buttons,
    );
  }

  /** @param {import("./recognition.js").Stage} stage */
  show(stage) {
    this.#hold();
    this.#kind(stage.stage === "off" || stage.stage === "again" ? "warn" : "");
    const said = SENTENCES[stage.stage]?.(stage) ?? this.#verb;
    if (this.sentence.textContent !== said) this.sentence.textContent = said; // once, to a screen reader
    if (typeof stage.fraction === "number") this.bar.value = stage.fraction;
    else this.bar.removeAttribute("value");
    this.bar.hidden = stage.stage === "off";
    this.start.hidden = !(
      stage.stage === "off" &&
      STARTABLE.includes(stage.status.state) &&
      this.#mayStart()
    );
    this.cancel.hidden = false;
    this.again.hidden = true;
    this.#focus(this.cancel);
  }

  /** It has ended without a transcript; why, in a sentence. */
  fail(message) {
    this.#hold();
    this.#kind("bad");
    this.sentence.textContent = message;
    this.bar.hidden = this.start.hidden = this.cancel.hidden = true;
    this.again.hidden = false;
    this.#focus(this.again);
  }

  /** Of a button that goes away the focus goes on to the one that comes in its place. */
  #focus(next) {
    const { activeElement: active, body } = document;
    if (this.#held && (active === body || (this.element.contains(active) && active.hidden))) next.focus();
    this.#held = false;
  }

  #hold() {
    this.#held ||= this.element.contains(document.activeElement);
  }

  hide() {
    this.#hold();
    this.element.hidden = true;
    this.sentence.textContent = "";
  }

  #kind(kind) {
    this.element.hidden = false;
    for (const each of ["warn", "bad"]) this.element.classList.toggle(each, each === kind);
  }
}
