// The tab Listen: a recording or the microphone to a transcript.

import * as align from "./align.js";
import { element } from "./element.js";
import { Hearing } from "./hearing.js";
import { LanguageChoice } from "./languages.js";

/** @param {Object} page {root, api, keep, machine, say} */
export async function start(page) {
  const { root, keep, machine } = page;
  const language = new LanguageChoice({
    machine,
    onChange: (value) => keep.put("settings", "listen language", value),
  });
  const speakers = new SpeakersChoice(machine);
  const use = element(
    "button",
    { type: "button", class: "small", onclick: () => useInAlign(hearing) },
    "Use this in Align",
  );
  const again = element(
    "button",
    { type: "button", class: "small", onclick: () => hearing.send() },
    "Transcribe again",
  );
  const hearing = new Hearing(page, {
    task: "transcribe",
    verb: "Words are being recognised.",
    actions: [use, again],
    beside: [speakers.element, language.element],
    fields: () => ({ ...(language.value && { language: language.value }), ...speakers.fields }),
    onTaken: () => hearing.send(),
  });
  hearing.addEventListener("opened", ({ detail: { fields } }) => {
    if (fields.language) language.value = fields.language;
  });
  root.append(
    element(
      "div",
      { class: "columns" },
      element(
        "div",
        { class: "stack" },
        hearing.input.element,
        hearing.progress.element,
        hearing.transcript.element,
      ),
      element("div", { class: "side" }, hearing.kept),
    ),
  );
  language.value = (await keep.get("settings", "listen language")) ?? "";
  await hearing.restore();
}

/** The text as it was edited goes along, and so do the times' recording and its language. */
function useInAlign({ transcript, recording, entry }) {
  align.use({
    recording,
    name: entry.name,
    text: transcript.result.text,
    language: transcript.result.language,
  });
  location.hash = "#align";
  document.getElementById("tab-align").focus(); // the button is hidden with its tab
}

/** Only whisperx tells speakers apart. */
class SpeakersChoice {
  constructor(machine) {
    this.box = element("input", { type: "checkbox" });
    this.element = element("label", { class: "check", hidden: true }, this.box, "Tell speakers apart");
    const look = () => (this.element.hidden = machine.status?.whisperx?.backend !== "whisperx");
    machine.addEventListener("status", look);
    look();
  }

  get fields() {
    return this.box.checked && !this.element.hidden ? { diarize: "true" } : {};
  }
}
