// What Listen and Align share: a recording comes in, is kept, sent and heard, and its transcript is shown.

import { element, icon, ICONS } from "./element.js";
import { Heard } from "./heard.js";
import { RecordingInput } from "./input.js";
import { isPassing, newJob, ownJobs, recognised, soonFound } from "./recognition.js";
import { Progress } from "./progress.js";
import { newId, Recordings } from "./recordings.js";
import { worded } from "./scores.js";
import { Transcript } from "./transcript.js";

const NONE = "Your last recordings will be here. They stay in this browser.";

/**
 * The parts of a tab, for it to arrange: `input`, `progress`, `transcript`, and `kept`.
 * Events: "opened" (detail: the entry) for one that somebody has chosen of those that are kept, and "closed"
 * where none is open any more.
 */
export class Hearing extends EventTarget {
  #page;
  #task;
  #fields;
  #recordings;
  #mayStart = false;
  #audio = null;
  #ending = null;
  #sent = 0;
  entry = null;

  /** The one that is open. */
  get recording() {
    return this.#audio;
  }

  /**
   * @param {Object} page {root, api, keep, machine, say} as tabs get it
   * @param {{task: "transcribe"|"align", verb: string, actions?: HTMLElement[], beside?: HTMLElement[],
   *   onTaken: function(): void, fields: function(): Object<string, string>}} how `fields` are
   *   sent with a recording; `onTaken` is called for a new one
   */
  constructor(page, { task, verb, actions, beside, fields, onTaken }) {
    super();
    this.#page = page;
    this.#task = task;
    this.#fields = fields;
    this.#recordings = new Recordings(page.keep);
    this.input = new RecordingInput({
      ...page,
      beside,
      onRecording: async (blob, name) => (await this.take(blob, name)) && onTaken(),
    });
    this.progress = new Progress({
      verb,
      mayStart: () => this.#mayStart,
      onCancel: () => this.#cancel(),
      onAgain: () => (this.entry.goesOn ? this.#resume() : this.send()),
      onStart: () => this.#start(),
    });
    this.transcript = new Transcript({ ...page, task, actions });
    this.heard = new Heard(task, this.transcript);
    this.transcript.addEventListener("edited", ({ detail }) => this.#change({ result: detail }));
    this.list = element("ul", { class: "rows" });
    this.none = element("p", { class: "quiet-text" }, NONE);
    this.kept = element(
      "section",
      { class: "stack tight", "aria-label": "Earlier recordings" },
      element("h3", {}, "Earlier"),
      this.none,
      this.list,
    );
  }

  /** What a reload has interrupted goes on: the newest recording is opened again, if nobody was quicker. */
  async restore() {
    this.#page.api.visitor().then(
      (visitor) => (this.#mayStart = visitor.may_start),
      () => {}, // said by whatever is asked next
    );
    const [newest] = await this.#recordings.list(this.#task);
    if (newest && !this.entry && (await this.#reopen(newest))) this.#goOn();
    await this.#list();
  }

  /** A new recording: kept and to be heard, not sent yet. False where another was opened meanwhile. */
  async take(audio, name) {
    this.#leave();
    const entry = {
      id: newId(),
      task: this.#task,
      name,
      bytes: audio.size,
      atMs: Date.now(),
      fields: {},
      key: "",
      before: [],
      job: null,
      state: "new",
      result: null,
    };
    this.#show(entry, audio);
    await this.#kept(async () => {
      if (await this.#recordings.add(entry, audio)) return;
      this.#page.say(`${name} is too large to be kept here: after a reload it has to be chosen again.`, {
        kind: "warn",
      });
    });
    await this.#list();
    return this.entry === entry;
  }

  /** One that is kept. */
  async open(entry) {
    this.#leave();
    if (!(await this.#reopen(entry))) return;
    this.dispatchEvent(new CustomEvent("opened", { detail: entry }));
    await this.#list();
    await this.#goOn();
  }

  /** False where it is gone, or something else was opened meanwhile. */
  async #reopen(entry) {
    const { entry: before } = this;
    const audio = await this.#recordings.audio(entry.id);
    if (!audio || this.entry !== before) return false;
    this.#show(entry, audio);
    if (entry.result) this.transcript.show(entry.result);
    return true;
  }

  async #goOn() {
    if (this.entry.state === "sent") await this.#run();
  }

  /** Sends the recording, with the fields as they are now. */
  async send() {
    this.#leave();
    if (this.entry.state === "sent" && this.entry.job) this.#end({ ...this.entry });
    this.#sent += 1;
    const before = ownJobs(this.#page.machine.queue, this.#task).map((job) => job.id);
    await this.#change({
      fields: this.#fields(),
      key: newId(),
      before,
      job: null,
      state: "sent",
      result: null,
    });
    this.transcript.load(this.#audio, this.entry.name);
    await this.#run();
  }

  /** Where only its connection was lost: by its key the same job is found, and is not counted twice. */
  async #resume() {
    this.#leave();
    await this.#change({ state: "sent" });
    await this.#run();
  }

  async #run() {
    const { entry } = this;
    const ending = (this.#ending = new AbortController());
    const { api, machine } = this.#page;
    const { name, fields, key } = entry;
    const tell = (stage) => ending.signal.aborted || this.progress.show(stage);
    try {
      const onJob = (id) => (entry.job = id ?? entry.job);
      const path = `/api/${this.#task}`;
      const onSegment = (...told) => ending.signal.aborted || this.heard.show(...told);
      const wish = { api, machine, path, recording: this.#audio, name, fields, key, onJob, onSegment };
      const result = worded(await recognised({ ...wish, signal: ending.signal, tell }));
      if (ending.signal.aborted) return;
      const shown = this.heard.giveWay(result, ending.signal, () => this.progress.hide());
      await this.#change({ state: "done", result });
      await shown;
    } catch (error) {
      if (ending.signal.aborted) return; // somebody else has said what comes instead
      this.progress.fail((error.param === "file" ? `${name}: ` : "") + error.message);
      await this.#change({ state: "failed", goesOn: isPassing(error) });
    } finally {
      if (this.#ending === ending) this.#ending = null;
    }
  }

  /** The request ends; with its key its job goes on, and is found again when the recording is opened. */
  #leave() {
    this.#ending?.abort();
    this.#ending = null;
    this.progress.hide();
    this.heard.clear();
  }

  async #cancel() {
    const { entry } = this;
    this.#leave();
    this.progress.fail("It was cancelled.");
    await this.#change({ state: "failed", goesOn: false });
    await this.#end(entry);
  }

  /** Nobody wants it any more: with a key its job would go on without its client. */
  async #end(entry) {
    const { machine } = this.#page;
    const { before } = entry;
    const sent = this.#sent;
    // one that was sent just now may not have its id yet; what is sent after it is not meant
    const look = () => (sent === this.#sent ? newJob(machine.queue, this.#task, before) : null);
    const job = entry.job ?? (await soonFound(machine, look));
    if (job)
      await this.#page.api
        .delete(`/api/queue/${job}`)
        .catch((error) => this.#page.say(error.message, { kind: "warn" }));
  }

  async #start() {
    this.progress.start.disabled = true;
    try {
      await this.#page.api.post("/api/start", {});
    } catch (error) {
      this.#page.say(error.message, { kind: "bad" });
    } finally {
      this.progress.start.disabled = false;
    }
  }

  /* ---- What is kept ---- */

  #show(entry, audio) {
    this.entry = entry;
    this.#audio = audio;
    this.input.slim = true;
    this.transcript.load(audio, entry.name);
  }

  async #change(changes) {
    Object.assign(this.entry, changes, { atMs: Date.now() });
    const entry = this.entry;
    await this.#kept(async () => {
      if (await this.#recordings.audio(entry.id)) await this.#recordings.change(entry);
    });
    await this.#list();
  }

  /** What cannot be kept is said, and the page goes on with it. */
  async #kept(act) {
    try {
      await act();
    } catch (error) {
      this.#page.say(error.message, { kind: "warn" });
    }
  }

  async #list() {
    const entries = await this.#recordings.list(this.#task);
    this.none.hidden = entries.length > 0;
    const buttons = () => [...this.list.querySelectorAll("button")];
    const at = buttons().indexOf(document.activeElement);
    this.list.replaceChildren(...entries.map((entry) => this.#row(entry)));
    if (at >= 0) (buttons()[at] ?? buttons().at(-1) ?? this.input.input).focus(); // its successor
  }

  #row(entry) {
    const open = element(
      "button",
      {
        type: "button",
        class: "quiet small",
        "aria-current": entry.id === this.entry?.id ? "true" : null,
        onclick: () => entry.id === this.entry?.id || this.open(entry),
      },
      entry.name,
    );
    const remove = element(
      "button",
      {
        type: "button",
        class: "icon small quiet",
        "aria-label": `Delete ${entry.name}`,
        onclick: () => this.#delete(entry),
      },
      icon(ICONS.bin),
    );
    return element("li", { class: "row apart kept" }, open, remove);
  }

  async #delete(entry) {
    if (entry.state === "sent") this.#end(entry);
    if (entry.id === this.entry?.id) {
      this.#leave();
      this.transcript.clear();
      this.input.slim = false;
      this.entry = null;
      this.dispatchEvent(new Event("closed"));
    }
    await this.#recordings.delete(entry.id);
    await this.#list();
  }
}
