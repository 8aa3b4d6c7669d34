// A transcript with its recording: hears it, lights up its words, edits it, and hands it out as a file.

import { sentence } from "./api.js";
import { element, icon, ICONS } from "./element.js";
import { clock, isDoubtful, LEGENDS, whole, worded } from "./scores.js";
import { SegmentView } from "./segment.js";
import { inSlices } from "./slices.js";
import { countUntil } from "./words.js";

const MOST_DOUBTFUL = 12;
const TYPES = { srt: "application/x-subrip", vtt: "text/vtt", json: "application/json" };
const UNPLAYED = "This browser cannot play this recording; a transcript of it does not need that.";
const DOUBTS = {
  transcribe: (count) => (count === 1 ? "One word may be misheard:" : `${count} words may be misheard:`),
  align: (count) =>
    count === 1 ? "One word does not fit the recording:" : `${count} words do not fit the recording:`,
};

/** Events: "edited" (detail: the transcript as it is now). */
export class Transcript extends EventTarget {
  #api;
  #say;
  #task;
  #views = [];
  #starts = [];
  #shown = -1;
  #url = null;
  #playing = 0;
  #generation = 0;
  result = null;

  /** @param {{api, say, task: "transcribe"|"align", actions?: HTMLElement[]}} how */
  constructor({ api, say, task, actions = [] }) {
    super();
    this.#api = api;
    this.#say = say;
    this.#task = task;
    this.heading = element("h3", {});
    this.audio = element("audio", { controls: true, preload: "auto", "aria-label": "The recording" });
    this.unplayed = element("p", { class: "hint", hidden: true }, UNPLAYED);
    this.notes = element("div", { class: "stack tight" });
    this.list = element("ol", { class: "segments" });
    this.element = element(
      "section",
      { class: "panel stack", hidden: true, "aria-label": "Transcript" },
      this.heading,
      element("div", { class: "player" }, this.audio, this.unplayed),
      this.notes,
      this.list,
      this.#files(actions),
    );
    this.#follow();
  }

  /** The recording alone: it can be heard before anything is known of it. */
  load(recording, name) {
    this.clear();
    this.heading.textContent = name;
    this.#url = URL.createObjectURL(recording);
    this.audio.src = this.#url;
    this.element.hidden = false;
  }

  /** What was heard in it, as it is built. Resolves once all of it is, or something else is shown. */
  async show(result) {
    const told = worded(result);
    const views = [];
    this.#begin(told, views);
    if (await this.#built(told, views, ({ element }) => this.list.append(element))) this.#light();
  }

  /**
   * All of it at once, as soon as it is built: `swap(put)` is called then, in which `put` does it.
   * Resolves then, or where something else is shown.
   */
  async showWhole(result, swap) {
    const told = worded(result);
    const views = [];
    if (!(await this.#built(told, views, () => {}))) return;
    swap(() => {
      this.#begin(told, views);
      this.list.append(...views.map(({ element }) => element));
      this.#light();
    });
  }

  #begin(result, views) {
    this.result = result;
    this.#views = views;
    this.#starts = result.segments.map((segment) => segment.start);
    this.#shown = -1;
    this.list.replaceChildren();
    this.files.hidden = false;
    this.#note();
  }

  /** Whether all of them were; false where something else is shown meanwhile. */
  #built({ segments }, views, onBuilt) {
    const generation = (this.#generation += 1);
    const build = (segment, index) => {
      views.push(this.#view(segment, index));
      onBuilt(views[index]);
    };
    return inSlices(segments, build, () => generation === this.#generation);
  }

  /** Plays the recording from there. */
  hear(seconds) {
    this.#hear(seconds);
  }

  clear() {
    this.#generation += 1;
    this.audio.pause();
    this.audio.removeAttribute("src");
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = this.result = null;
    this.#views = this.#starts = [];
    this.list.replaceChildren();
    this.notes.replaceChildren();
    this.files.hidden = this.unplayed.hidden = this.element.hidden = true;
  }

  #view(segment, index) {
    return new SegmentView(segment, {
      task: this.#task,
      onSeek: (seconds) => this.#hear(seconds),
      onOpen: () => this.audio.pause(), // the first click of two has let it play
      onEdit: (edited) => this.#edited(edited, index),
    });
  }

  #hear(seconds) {
    this.audio.currentTime = seconds;
    if (this.unplayed.hidden)
      this.audio.play().catch((error) => this.#say(`It cannot be played: ${error.message}`, { kind: "bad" }));
  }

  #edited(segment, index) {
    this.result = whole({ ...this.result, segments: this.result.segments.with(index, segment) });
    this.#note();
    this.#light();
    this.dispatchEvent(new CustomEvent("edited", { detail: this.result }));
  }

  /* ---- What is to be said of it ---- */

  #note() {
    const { words, warning } = this.result;
    const doubtful = words.filter((word) => isDoubtful(word, this.#task));
    const parts = [this.#legend()];
    if (doubtful.length) parts.unshift(this.#doubts(doubtful));
    if (warning) parts.unshift(element("p", { class: "notice warn" }, sentence(warning)));
    this.notes.replaceChildren(
      ...(words.length ? parts : [element("p", { class: "empty" }, "Nothing was heard in it.")]),
    );
  }

  /** Each can be heard with a key, too: the words of the text are for the pointer only. */
  #doubts(doubtful) {
    const buttons = doubtful.slice(0, MOST_DOUBTFUL).map(({ word, start }) =>
      element(
        "button",
        {
          type: "button",
          class: "small quiet",
          title: `Hear it at ${clock(start)}`,
          onclick: () => this.#hear(start),
        },
        word,
      ),
    );
    const more = doubtful.length - buttons.length;
    return element(
      "div",
      { class: "row doubts" },
      element("p", {}, DOUBTS[this.#task](doubtful.length)),
      ...buttons,
      more > 0 ? `and ${more} more` : null,
    );
  }

  #legend() {
    const signs = LEGENDS[this.#task].map(([name, means]) =>
      element("li", {}, element("span", { class: name }, "word"), ` ${means}`),
    );
    return element("ul", { class: "legend hint", "aria-label": "Marks" }, ...signs);
  }

  /* ---- Words that light up ---- */

  #follow() {
    this.audio.addEventListener("play", () => this.#run());
    for (const event of ["pause", "seeked", "timeupdate"])
      this.audio.addEventListener(event, () => this.#light());
    this.audio.addEventListener("error", () => (this.unplayed.hidden = !this.audio.hasAttribute("src")));
  }

  #run() {
    cancelAnimationFrame(this.#playing);
    const frame = () => {
      this.#light();
      if (!this.audio.paused) this.#playing = requestAnimationFrame(frame);
    };
    frame();
  }

  #light() {
    const atS = this.audio.currentTime;
    const index = this.audio.paused && atS === 0 ? -1 : countUntil(this.#starts, atS) - 1;
    if (index !== this.#shown) {
      this.#views[this.#shown]?.said(null);
      this.#shown = index;
      if (!this.audio.paused) this.#views[index]?.element.scrollIntoView({ block: "nearest" });
    }
    this.#views[index]?.said(atS);
  }

  /* ---- Files ---- */

  #files(actions) {
    const buttons = Object.keys(TYPES).map((format) =>
      element(
        "button",
        {
          type: "button",
          class: "small",
          "aria-label": `Download ${format}`,
          onclick: () => this.#download(format),
        },
        icon(ICONS.down),
        format,
      ),
    );
    this.files = element("div", { class: "row", hidden: true }, ...buttons, ...actions);
    return this.files;
  }

  async #download(format) {
    try {
      const text =
        format === "json" ? `${JSON.stringify(this.result, null, 2)}\n` : await this.#subtitles(format);
      const stem = this.heading.textContent.replace(/\.[^.]{1,5}$/, "");
      offer(new Blob([text], { type: TYPES[format] }), `${stem}.${format}`);
    } catch (error) {
      this.#say(error.message, { kind: "bad" });
    }
  }

  async #subtitles(format) {
    const { words, language } = this.result;
    const response = await this.#api.send("POST", "/api/subtitles", { body: { words, format, language } });
    return response.text();
  }
}

function offer(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has begun to read it by then
}
