// In which language a recording is: a choice that fits the model that listens.

import { element, field } from "./element.js";
import { languageName } from "./voices.js";

/** What Whisper hears, by its tokenizer. */
const WHISPER = (
  "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi " +
  "hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no " +
  "oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo " +
  "yue zh"
).split(" ");
const DETECTS = ["whisperx", "faster_whisper"];

/** The combobox “Language”. `value` is what goes into the field `language`; empty is the model's own. */
export class LanguageChoice {
  #wished = "";

  constructor({ machine, onChange = () => {} }) {
    this.select = element("select", {
      onchange: () => ((this.#wished = this.select.value), onChange(this.#wished)),
    });
    this.element = field("Language", this.select);
    this.element.classList.add("beside");
    machine.addEventListener("status", ({ detail }) => this.#offer(detail.whisperx?.backend));
    this.#offer(machine.status?.whisperx?.backend);
  }

  get value() {
    return this.select.value;
  }

  /** One that the model does not have is wished for until there is one that has it. */
  set value(language) {
    this.#wished = language;
    this.select.value = language;
    if (this.select.selectedIndex < 0) this.select.value = "";
  }

  #offer(backend) {
    if (backend === this.offered && this.select.length) return;
    this.offered = backend;
    this.select.replaceChildren(
      ...options(backend).map(([value, label]) => element("option", { value }, label)),
    );
    this.value = this.#wished;
  }
}

function options(backend) {
  if (!DETECTS.includes(backend)) return [["", backend === "pocketsphinx" ? "English" : "The model's own"]];
  const all = WHISPER.map((tag) => [tag, languageName(tag === "jw" ? "jv" : tag)]);
  return [
    ["", "The model's own"],
    ["auto", "Detect it"],
    ...all.sort(([, one], [, other]) => one.localeCompare(other)),
  ];
}
