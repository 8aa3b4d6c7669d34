// Where a recording comes from: dropped, chosen, or spoken into the microphone.

import { element, icon, ICONS } from "./element.js";
import { clock } from "./scores.js";
import { MicrophoneError, Recorder } from "./recorder.js";

const NO_AUDIO = /^(text|image|font|model)\/|^application\/(pdf|zip|json|xml|epub\+zip|msword|vnd\.)/;
const MEGABYTE = 1_000_000;
const ENDING_S = 1; // what a microphone may still give until it has ended, and the form around it

const megabytes = (bytes) =>
  (bytes / MEGABYTE).toLocaleString("en", { maximumFractionDigits: bytes < 10 * MEGABYTE ? 1 : 0 });

/**
 * The sentence with which a file is refused before it is sent, or null.
 * @param {{name: string, size: number, type: string}} file
 * @param {{max_body_mb: ?number, recording_mb_left: ?number}} limits null is none
 */
export function refusal({ name, size, type }, limits) {
  const most = limits.max_body_mb ?? Infinity;
  const left = limits.recording_mb_left ?? Infinity;
  const has = `${name} has ${megabytes(size)} MB`;
  if (size === 0) return `${name} is empty: choose a recording with something in it.`;
  if (NO_AUDIO.test(type)) return `${name} is not a recording: choose a wav, flac, mp3, ogg or the like.`;
  if (size > most * MEGABYTE) {
    return `${has}, and ${most} MB at most can be sent: cut it, or save it as mp3 or opus.`;
  }
  if (size > left * MEGABYTE) {
    return `${has}, and ${megabytes(left * MEGABYTE)} MB are left for you today: come back tomorrow.`;
  }
  return null;
}

/**
 * What a recording from the microphone may have: the shortest of the limits, and how it is called.
 * @param {{max_audio_s: ?number, max_body_mb: ?number, recording_mb_left: ?number}} limits null is none
 * @param {number} bytesPerS
 * @returns {{seconds: number, why: string}}
 */
export function longest(limits, bytesPerS) {
  const ofMegabytes = (most) => ((most ?? Infinity) * MEGABYTE) / bytesPerS;
  const each = [
    { seconds: limits.max_audio_s ?? Infinity, why: "the longest that is heard at once" },
    { seconds: ofMegabytes(limits.max_body_mb), why: "the largest that can be sent at once" },
    { seconds: ofMegabytes(limits.recording_mb_left), why: "all that is left for you today" },
  ];
  const { seconds, why } = each.reduce((least, one) => (one.seconds < least.seconds ? one : least));
  return { seconds: Math.max(0, seconds - ENDING_S), why };
}

/**
 * The place to drop on, and the microphone, with whatever else goes `beside` that. `onRecording(blob,
 * name)` gets what was not refused.
 */
export class RecordingInput {
  #api;
  #say;
  #onRecording;
  #recorder = null;
  #most = longest({}, 1);
  #forgive = () => {};

  constructor({ root, api, say, onRecording, beside = [] }) {
    this.#api = api;
    this.#say = say;
    this.#onRecording = onRecording;
    this.element = element(
      "div",
      { class: "stack" },
      this.#drop(),
      element("div", { class: "row end apart" }, this.#microphone(), ...beside),
    );
    this.#takeDrops(root);
  }

  /** Small where something else is looked at. */
  set slim(slim) {
    this.drop.classList.toggle("slim", slim);
  }

  #drop() {
    this.input = element("input", {
      type: "file",
      class: "visually-hidden",
      accept: "audio/*,video/*",
      onchange: () => this.#take(this.input.files),
    });
    this.drop = element(
      "label",
      { class: "drop" },
      this.input,
      element("strong", {}, "Drop a recording here, or choose one"),
      element("span", {}, "wav, flac, mp3, ogg, or what a telephone records"),
    );
    return this.drop;
  }

  #microphone() {
    this.record = element(
      "button",
      { type: "button", onclick: () => this.#record() },
      icon(ICONS.microphone),
      "Record",
    );
    this.finish = element(
      "button",
      { type: "button", class: "primary", hidden: true, onclick: () => this.#finish() },
      icon(ICONS.stop),
      "Stop recording",
    );
    this.discard = element(
      "button",
      { type: "button", class: "quiet", hidden: true, onclick: () => this.#end() },
      "Discard",
    );
    this.time = element("span", { class: "number", role: "timer", "aria-label": "Recorded" });
    this.level = element("meter", {
      class: "level grow",
      min: 0,
      max: 1,
      high: 0.95,
      "aria-label": "Level of the microphone",
    });
    this.meter = element("div", { class: "row grow", hidden: true }, this.time, this.level);
    this.saved = element("a", { hidden: true }, "Save the recording as a file");
    const buttons = [this.record, this.finish, this.meter, this.discard, this.saved];
    return element("div", { class: "row grow" }, ...buttons);
  }

  #takeDrops(root) {
    const over = (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      this.drop.classList.add("over");
    };
    root.addEventListener("dragenter", over);
    root.addEventListener("dragover", over);
    root.addEventListener(
      "dragleave",
      (event) => root.contains(event.relatedTarget) || this.drop.classList.remove("over"),
    );
    root.addEventListener("drop", (event) => {
      this.drop.classList.remove("over");
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.#take(event.dataTransfer.files);
    });
  }

  async #take(files) {
    const [file] = files;
    if (!file) return;
    if (files.length > 1) this.#say(`One recording at a time: ${file.name} is taken.`, { kind: "warn" });
    await this.#offer(file, file.name);
    this.input.value = ""; // the same file can be chosen again
  }

  async #offer(blob, name) {
    const refused = refusal({ name, size: blob.size, type: blob.type }, await this.#limits());
    this.#forgive(); // what was said of the one before
    if (refused) this.#forgive = this.#say(refused, { kind: "bad" });
    else this.#onRecording(blob, name);
    return !refused;
  }

  /** What cannot be asked about limits is left to the server, which says more. */
  #limits() {
    return this.#api.visitor({ fresh: true }).then(
      (visitor) => visitor.limits,
      () => ({}),
    );
  }

  async #record() {
    this.record.disabled = true;
    this.#save(null);
    try {
      this.#recorder = await Recorder.start();
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      this.#say(error.message, { kind: "bad" });
      return;
    } finally {
      this.record.disabled = false;
    }
    const { bytesPerS } = this.#recorder;
    this.#limits().then((limits) => (this.#most = longest(limits, bytesPerS)));
    this.#recorder.addEventListener("level", ({ detail }) => this.#show(detail));
    this.#recorder.addEventListener("lost", () => this.#lost());
    addEventListener("beforeunload", asks);
    this.#show({ peak: 0, seconds: 0 });
    this.#recording(true);
    this.finish.focus();
  }

  #recording(is) {
    this.record.hidden = is;
    for (const each of [this.finish, this.discard, this.meter]) each.hidden = !is;
  }

  #show({ peak, seconds }) {
    this.time.textContent = clock(seconds);
    this.level.value = Math.sqrt(peak); // speech at a good level fills about half
    if (this.#recorder && seconds >= this.#most.seconds) this.#full();
  }

  async #full() {
    this.#say(`The recording has ended at ${clock(this.#most.seconds)}: that is ${this.#most.why}.`, {
      kind: "warn",
    });
    await this.#finish();
  }

  async #finish() {
    const now = new Date();
    const wav = await this.#end();
    const time = [now.getHours(), now.getMinutes()].map((part) => String(part).padStart(2, "0")).join(".");
    const name = `Recording ${now.toLocaleDateString("sv")} ${time}.wav`;
    if (wav.size <= 44) this.#say("Nothing was recorded: speak for a second at least.", { kind: "warn" });
    else if (!(await this.#offer(wav, name))) this.#save(wav, name);
  }

  /** What was said cannot be chosen again as a file can: where it cannot be sent, it is handed out as one. */
  #save(wav, name) {
    if (this.saved.href) URL.revokeObjectURL(this.saved.href);
    this.saved.hidden = !wav;
    if (!wav) return this.saved.removeAttribute("href");
    Object.assign(this.saved, { href: URL.createObjectURL(wav), download: name });
    return this.saved.focus();
  }

  async #lost() {
    this.#say("The microphone was taken away: what it gave before is used.", { kind: "warn" });
    await this.#finish();
  }

  async #end() {
    const recorder = this.#recorder;
    this.#recorder = null;
    removeEventListener("beforeunload", asks);
    this.#recording(false);
    this.record.focus();
    return recorder.stop();
  }
}

/** The browser asks before a page is left that records. */
const asks = (event) => event.preventDefault();
