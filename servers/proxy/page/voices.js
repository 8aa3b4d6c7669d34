// Who can speak: the choices of voice, language and style, and what a request says of them.

/** Backends whose voices take no style; the server would not say so. */
const NO_STYLE = new Set(["espeak", "piper"]);
const DEFAULT = { label: "Default voice", value: "" };

/** A choice in the list as its value, and back. */
export function valueOf({ name, model }) {
  return JSON.stringify([model, name]);
}

export function voiceOf(value) {
  if (!value) return null;
  const [model, name] = JSON.parse(value);
  return { model, name };
}

/** {label, value} choices in groups by model: [{label, choices}]; a chosen voice that is not listed stays. */
export function groupsOf({ voices }, chosen) {
  const groups = new Map([["", [DEFAULT]]]);
  for (const voice of voices) {
    const label = voice.category === "cloned" ? "Of recordings" : (voice.model ?? "Others");
    groups.set(label, [...(groups.get(label) ?? []), { label: described(voice), value: valueOf(voice) }]);
  }
  const listed = !chosen || voices.some((voice) => valueOf(voice) === chosen);
  if (!listed) groups.set("Chosen before", [{ label: voiceOf(chosen).name, value: chosen }]);
  return [...groups].map(([label, choices]) => ({ label, choices }));
}

function described({ name, languages, gender }) {
  const tag = [...languages].sort((one, other) => one.length - other.length)[0];
  const isOne = languages.every((each) => each === tag || each.startsWith(`${tag}-`));
  const language = tag && isOne ? languageName(tag) : null;
  const more = [language, gender].filter((each) => each && !name.includes(each));
  return more.length ? `${name} (${more.join(", ")})` : name;
}

/** The languages of a voice, or of its model where the voice names none: [{label, value}] by name. */
export function languagesOf({ models, voices }, chosen) {
  const { model, name } = voiceOf(chosen) ?? { model: models[0]?.model };
  const voice = voices.find((each) => each.name === name && each.model === model);
  const all = models.find((each) => each.model === model)?.languages ?? [];
  const tags = voice?.languages.length ? voice.languages : all;
  const choices = tags.map((tag) => ({ label: languageName(tag), value: tag }));
  return choices.sort((one, other) => one.label.localeCompare(other.label));
}

let names = null;

/** A tag in English; as it is where the browser does not know it. */
export function languageName(tag) {
  names ??= new Intl.DisplayNames("en", { type: "language" }); // which takes long: once
  try {
    return names.of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** Why a style cannot be given with that voice, or null. */
export function styleRefusal({ models }, chosen) {
  const model = voiceOf(chosen)?.model ?? models[0]?.model;
  if (!model || !NO_STYLE.has(model.split("/")[0])) return null;
  return "This voice speaks in one style only.";
}

/** The body of a request for one sentence, less its format. A voice in a tag has its own language. */
export function bodyOf(sentence, { voice, language, style, speed }, { models, voices }) {
  const tagged = sentence.voice && named(sentence.voice, voices);
  const who = tagged ?? voiceOf(voice);
  return {
    input: sentence.text,
    ...(who?.model && { model: who.model }),
    ...(who && { voice: who.name }),
    ...(language && !tagged && { language }),
    ...(style && !styleRefusal({ models }, who ? valueOf(who) : "") && { instructions: style }),
    ...(speed !== 1 && { speed }),
  };
}

/** As it is listed, whatever its case; another one is the server's to refuse, which names some that are. */
function named(name, voices) {
  const known = voices.find((voice) => voice.name.toLowerCase() === name.toLowerCase());
  return known ? { name: known.name, model: known.model } : { name, model: null };
}
