// What is to be spoken and how: the text, a file's chapters, and voice, language, style and speed.

import { element, field, icon, ICONS } from "./element.js";
import { ACCEPTED, opened } from "./files.js";
import { groupsOf, languagesOf, styleRefusal } from "./voices.js";

const SPEEDS = [0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2];
const NOBODY = { models: [], voices: [] };
const EXAMPLE = "Write or paste a text here, or drop a file.";
const HINT = "A line that begins with [voice name] is spoken by that voice, and so is what follows; " +
  "[default] goes back.";

/** Events: `change` when the settings or the text were changed. Its two elements are `text` and `choices`. */
export class Composer extends EventTarget {
  #api;
  #say;
  #book = null;
  voices = NOBODY;

  constructor({ api, say }) {
    super();
    this.#api = api;
    this.#say = say;
    this.area = element("textarea", { class: "reading", rows: 8, placeholder: EXAMPLE, spellcheck: true });
    this.fault = element("p", { class: "fault", hidden: true });
    this.chapter = element("select", { onchange: () => this.#choose(Number(this.chapter.value)) });
    this.chapters = field("Chapter", this.chapter);
    this.chapters.hidden = true;
    const hint = element("p", { class: "hint" }, HINT);
    const written = field("Text", this.area, hint, this.fault);
    this.text = element("div", { class: "stack tight" }, written, this.chapters);
    this.area.addEventListener("input", () => this.#changed());
    this.choices = element("div", { class: "choices" }, this.#choices());
    this.#droppable();
  }

  get settings() {
    return {
      voice: this.voice.value, language: this.language.value,
      style: this.style.value.trim(), speed: Number(this.speed.value),
    };
  }

  /** As it was left. */
  restore({ text, settings, book, chapter }) {
    if (text && !this.area.value) this.area.value = text;
    if (book) this.#offer(book, chapter);
    if (!settings) return;
    this.style.value = settings.style;
    this.speed.value = String(settings.speed);
    this.#list(settings);
  }

  /** Asks who can speak. Throws ApiError. */
  async load() {
    this.voices = await this.#api.get("/api/voices");
    this.#list(this.settings);
  }

  /** Shows, or takes away, why the text cannot be spoken. */
  refuse(message) {
    this.fault.textContent = message ?? "";
    this.fault.hidden = !message;
    if (message) this.area.setAttribute("aria-invalid", "true");
    else this.area.removeAttribute("aria-invalid");
  }

  /** A file that was chosen or dropped. */
  async open(file) {
    try {
      const book = await opened(file);
      this.#offer(book);
      this.#choose(0);
      const count = book.chapters.length;
      const many = `“${book.title}” has ${count} chapters: choose one.`;
      this.#say(count > 1 ? many : `“${file.name}” is open.`, { kind: "good" });
    } catch (error) {
      this.#say(error.message, { kind: "bad" });
    }
  }

  get book() {
    return this.#book;
  }

  #choices() {
    const changed = () => this.#changed();
    this.voice = element("select", { onchange: () => (this.#list(this.settings), changed()) });
    this.language = element("select", { onchange: changed });
    this.style = element("input", { type: "text", maxLength: 500, onchange: changed });
    this.speed = element("select", { onchange: changed },
      SPEEDS.map((each) => element("option", { value: String(each) }, each === 1 ? "Normal" : `${each} ×`)));
    this.speed.value = "1";
    this.styleHint = element("p", { class: "hint" });
    this.style.setAttribute("aria-describedby", (this.styleHint.id = "style-hint"));
    this.#list(this.settings);
    return [field("Voice", this.voice), field("Language", this.language),
      field("Style", this.style, this.styleHint), field("Speed of speech", this.speed)];
  }

  /** The lists, with what is chosen in them as far as it is still there. */
  #list({ voice, language }) {
    const groups = groupsOf(this.voices, voice);
    this.voice.replaceChildren(...groups.map(({ label, choices }) =>
      label ? element("optgroup", { label }, choices.map(option)) : option(choices[0])));
    this.voice.value = voice;
    const languages = languagesOf(this.voices, voice);
    const kept = language && !languages.some(({ value }) => value === language) && this.voices === NOBODY;
    const before = kept ? [{ label: language, value: language }] : [];
    const all = [{ label: "The voice’s own", value: "" }, ...languages, ...before];
    this.language.replaceChildren(...all.map(option));
    this.language.value = all.some(({ value }) => value === language) ? language : "";
    this.#allowStyle(styleRefusal(this.voices, voice));
  }

  #allowStyle(refusal) {
    this.style.disabled = refusal !== null;
    this.style.placeholder = refusal ? "" : "calm and warm";
    this.styleHint.textContent = refusal ?? "How it is to be said, in words.";
  }

  #offer(book, chapter = "0") {
    this.#book = book;
    this.chapters.hidden = book.chapters.length < 2;
    const options = book.chapters.map(({ title }, index) => option({ label: title, value: String(index) }));
    this.chapter.replaceChildren(...options);
    this.chapter.value = chapter;
  }

  #choose(index) {
    this.area.value = this.#book.chapters[index].text;
    this.area.scrollTop = 0;
    this.#changed();
  }

  #changed() {
    this.refuse(null);
    this.dispatchEvent(new Event("change"));
  }

  /** A button for the file, and the field itself to drop it on. */
  #droppable() {
    const hidden = { class: "visually-hidden", tabIndex: -1, "aria-hidden": "true" };
    const input = element("input", { type: "file", accept: ACCEPTED, ...hidden });
    input.addEventListener("change", () => {
      if (input.files[0]) this.open(input.files[0]);
      input.value = "";
    });
    const press = { type: "button", onclick: () => input.click() };
    this.opener = element("button", press, icon(ICONS.file), "Open a file");
    this.text.append(input);
    this.text.addEventListener("dragover", (event) => this.#over(event, true));
    this.text.addEventListener("dragleave", (event) => this.#over(event, false));
    this.text.addEventListener("drop", (event) => {
      this.#over(event, false);
      const [file] = event.dataTransfer.files;
      if (file) this.open(file);
    });
  }

  #over(event, over) {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    this.area.classList.toggle("over", over);
  }
}

function option({ label, value }) {
  return element("option", { value }, label);
}
