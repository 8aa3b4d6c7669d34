// The tab Align: a recording and the text that is read in it, to the times of its words.

import { element, field } from "./element.js";
import { Hearing } from "./hearing.js";
import { LanguageChoice } from "./languages.js";

const KEPT = ["align text", "align language"];
const KEPT_AFTER_MS = 300;

let tab = null;
let handedOver = null;

/** @param {Object} page {root, api, keep, machine, say} */
export async function start(page) {
  const [text, language] = await Promise.all(KEPT.map((name) => page.keep.get("settings", name)));
  tab = new AlignTab(page, text ?? "", language ?? "");
  await tab.restore();
  if (handedOver) await tab.use(handedOver);
}

/**
 * A recording and its text from elsewhere on the page; they are aligned at once.
 * @param {{recording: Blob, name: string, text: string, language: ?string}} given
 */
export function use(given) {
  if (tab) return tab.use(given);
  handedOver = given; // the tab has not been started yet
  return undefined;
}

class AlignTab {
  #page;

  constructor(page, text, language) {
    this.#page = page;
    this.text = element("textarea", {
      class: "reading",
      value: text,
      oninput: () => this.#written(),
      "aria-describedby": "align-hint",
    });
    const onChange = (value) => this.#keep("align language", value);
    this.language = new LanguageChoice({ machine: page.machine, onChange });
    this.language.value = language;
    this.hearing = new Hearing(page, {
      task: "align",
      verb: "The text is being aligned.",
      fields: () => ({
        text: this.text.value.trim(),
        ...(this.language.value && { language: this.language.value }),
      }),
      onTaken: () => this.#moved(),
      beside: [this.language.element],
    });
    this.hearing.addEventListener("opened", ({ detail }) => this.#opened(detail));
    this.hearing.addEventListener("closed", () => this.#moved());
    this.button = element(
      "button",
      { type: "button", class: "primary", onclick: () => this.#align() },
      "Align",
    );
    page.root.append(this.#arranged());
    this.#moved();
  }

  #arranged() {
    const { input, progress, transcript, kept } = this.hearing;
    const hint = element(
      "p",
      { class: "hint", id: "align-hint" },
      "As it is read, word for word; what is not said is marked.",
    );
    return element(
      "div",
      { class: "columns" },
      element(
        "div",
        { class: "stack" },
        field("Text of the recording", this.text, hint),
        input.element,
        element("div", { class: "row" }, this.button, (this.need = element("span", { class: "hint" }))),
        progress.element,
        transcript.element,
      ),
      element("div", { class: "side" }, kept),
    );
  }

  async restore() {
    await this.hearing.restore();
    this.#moved();
  }

  async use({ recording, name, text, language }) {
    this.text.value = text;
    this.#written();
    if (language) this.language.value = language;
    await this.hearing.take(recording, name);
    await this.#align();
  }

  #opened({ fields }) {
    if (fields.text) this.text.value = fields.text;
    if (fields.language) this.language.value = fields.language;
    this.#written();
  }

  #written() {
    this.#moved();
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.#keep("align text", this.text.value), KEPT_AFTER_MS);
  }

  #keep(name, value) {
    const { keep, say } = this.#page;
    keep.put("settings", name, value).catch((error) => say(error.message, { kind: "warn" }));
  }

  /** What is missing is said beside the button, which can be pressed all the same. */
  #moved() {
    const missing = [
      this.text.value.trim() ? null : "the text",
      this.hearing.entry ? null : "a recording",
    ].filter(Boolean);
    this.need.textContent = missing.length ? `Still needed: ${missing.join(" and ")}.` : "";
    return missing;
  }

  async #align() {
    const missing = this.#moved();
    if (missing.length) {
      this.#page.say(`To align, give ${missing.join(" and ")}.`, { kind: "warn" });
      return;
    }
    const { limits } = await this.#page.api.visitor({ fresh: true }).catch(() => ({ limits: {} }));
    const [count, most] = [this.text.value.trim().length, limits.max_text_chars ?? Infinity];
    if (count > most) {
      this.#page.say(
        `The text has ${count.toLocaleString("en")} characters, and ${most.toLocaleString("en")} are ` +
          "aligned at most: cut the text and the recording into parts.",
        { kind: "bad" },
      );
      return;
    }
    await this.hearing.send();
  }
}
