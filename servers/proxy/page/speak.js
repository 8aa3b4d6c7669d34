// The tab Speak: a text is spoken sentence by sentence, heard while the rest is made, and kept over a reload.

import { Away } from "./away.js";
import { Composer } from "./composer.js";
import { Downloads } from "./downloads.js";
import { element, icon, ICONS } from "./element.js";
import { Kept } from "./kept.js";
import { Maker } from "./maker.js";
import { Playback } from "./playback.js";
import { Reading } from "./reading.js";
import { Retakes } from "./retakes.js";
import { Saving } from "./saving.js";
import { refusalOf, sentencesOf } from "./script.js";
import { SentenceBar } from "./sentence_bar.js";
import { isAway } from "./speech.js";
import { taken } from "./takes.js";
import { Timing } from "./timing.js";
import { Track } from "./track.js";
import { Transport } from "./transport.js";
import { bodyOf } from "./voices.js";
import { expectedSeconds } from "./waveform.js";
import { ownScript } from "./windows.js";

const TICK_MS = 200;

/** Builds the tab in `root`, with what was there before a reload. */
export async function start(page) {
  const tab = new Speak({ ...page, script: await ownScript(page.keep) });
  await tab.restore();
  return tab;
}

class Speak {
  #page;
  #kept;
  #drawn = true;
  #restored = null;
  #shown = null;

  constructor({ root, api, keep, machine, say, script }) {
    this.#page = { root, api, say };
    const kept = (this.#kept = new Kept(keep, script, (error) => say(error.message, { kind: "bad" })));
    this.composer = new Composer({ api, say });
    const transport = (this.transport = new Transport());
    const bar = (this.sentenceBar = new SentenceBar());
    const maker = (this.maker = new Maker({ api, kept }));
    this.#build();
    const reading = (this.reading = new Reading(this.text, {
      onSeek: (index, offsetS) => this.playback.seek({ index, offsetS }),
      onRetry: (index) => this.#retry(index),
    }));
    const saving = (this.saving = new Saving(kept, {
      script: () => this.#script(),
      book: () => this.composer.book,
      place: () => this.#place(),
    }));
    const playback = (this.playback = new Playback({ kept, maker, transport, reading, saving, say }));
    const changed = (index, name) => this.#changed(index, name);
    this.retakes = new Retakes({ bar, kept, maker, playback, saving, say }, changed);
    this.away = new Away({ root: this.notice, api, machine, say }, () => this.#back());
    this.downloads = new Downloads({ api, say, kept, maker, transport });
    const isWanted = (take) => this.#indexOf(take) >= 0;
    const onTimed = (take) => reading.update(this.#indexOf(take), this.#track);
    this.timing = new Timing({ api, say, kept }, { isWanted, onTimed });
    this.#reveal();
    this.#listen();
    setInterval(() => this.#tick(), TICK_MS);
  }

  get #track() {
    return this.playback.track;
  }

  /* ---- What it looks like ---- */

  #build() {
    const press = { type: "button", class: "primary", onclick: () => this.speak() };
    const acts = element("div", { class: "row acts" }, element("button", press, icon(ICONS.play), "Speak"),
      this.composer.opener);
    this.text = element("div", { class: "words reading-text" });
    this.notice = element("div", { class: "stack tight notices", "aria-live": "polite" });
    this.spoken = section("The text as it is spoken", this.text);
    this.files = section("Files", this.transport.files);
    this.transport.row.append(this.sentenceBar.root);
    const composer = element("div", { class: "panel stack" }, this.composer.text, acts, this.notice);
    const heard = element("div", { class: "stack" }, this.spoken, this.transport.root);
    const voice = section("Voice and style", this.composer.choices);
    this.#page.root.append(element("div", { class: "columns" }, composer, voice, heard, this.files));
  }

  /** The parts that are there once there is something to hear. */
  #reveal() {
    const some = this.#track.sentences.length > 0;
    for (const part of [this.spoken, this.files, this.transport.root]) part.hidden = !some;
  }

  /** One line on what is going on. */
  #told() {
    const { sentences } = this.#track;
    const made = sentences.filter(({ take }) => take.complete).length;
    const working = this.maker.working && made < sentences.length;
    this.transport.tell({
      made: working ? `${made} of ${sentences.length} sentences are made` : "",
      state: this.playback.hungry ? "Waiting for the voice…" : "",
    });
    this.retakes.tell();
    this.downloads.tell(this.#track);
  }

  /* ---- What is heard and made ---- */

  #listen() {
    const { transport, playback, maker, composer } = this;
    transport.addEventListener("toggle", () =>
      playback.state === "playing" ? playback.pause() : playback.resume());
    transport.addEventListener("stop", () => this.stop());
    transport.addEventListener("seek", ({ detail }) => playback.seek(this.#track.placeOf(detail)));
    transport.addEventListener("speed", ({ detail }) => (playback.speed = detail));
    transport.addEventListener("download", ({ detail }) => this.#download(detail));
    transport.addEventListener("drop", () => this.#dropDownload());
    playback.addEventListener("change", () => this.#told());
    for (const name of ["audio", "words", "done", "failed", "reset"]) {
      maker.addEventListener(name, ({ detail }) => this.#changed(this.#indexOf(detail), name));
    }
    maker.addEventListener("away", ({ detail }) => this.away.show(detail));
    maker.addEventListener("back", () => this.away.hide());
    maker.addEventListener("gaveup", ({ detail }) => this.#gaveUp(detail));
    composer.addEventListener("change", () => this.saving.changed());
    addEventListener("pagehide", () => this.#leave());
    addEventListener("visibilitychange", () => document.hidden && this.saving.now());
  }

  /** From its beginning; what was spoken before just so, and before a reload, is not made again. */
  async speak() {
    const text = this.composer.area.value;
    const refusal = refusalOf(text);
    this.composer.refuse(refusal);
    if (refusal) {
      this.composer.area.focus();
      return;
    }
    await this.#restored; // else it would take the place of this
    this.maker.stop();
    this.downloads.drop();
    await this.playback.hush();
    this.#show(this.#sentences(text));
    this.saving.changed();
    await Promise.all([this.#shown, this.playback.resume()]);
    this.text.scrollIntoView({ block: "nearest" });
  }

  async stop() {
    this.maker.stop();
    this.away.hide();
    this.downloads.drop();
    await this.playback.stop();
  }

  #tick() {
    this.playback.tick();
    this.maker.tick();
    if (!this.#drawn) this.#draw();
    this.#told();
  }

  /** Not with each piece that comes: it looks at all that is there. */
  #draw() {
    this.#drawn = true;
    this.transport.track(this.#track, expectedSeconds(this.#track.sentences));
    this.transport.at(this.#track.secondsOf(this.playback.place));
  }

  #changed(index, name) {
    if (index < 0) return;
    this.#track.changed();
    this.reading.update(index, this.#track);
    this.#drawn = false;
    this.playback.feed();
    if (name === "done" || name === "failed") this.#told();
    const sentence = this.#track.sentences[index];
    if (name === "done" && isWordless(sentence)) this.timing.want(sentence);
  }

  /** By its take: who speaks a text again has its takes in sentences of another list. */
  #indexOf(take) {
    return this.#track.sentences.findIndex((sentence) => sentence.take === take);
  }

  /** What is said just so already has its takes; the takes of what is not said any more are deleted. */
  #sentences(text) {
    const { settings, voices } = this.composer;
    const said = sentencesOf(text, settings.language || undefined);
    const asked = said.map((sentence) => ({ ...sentence, body: bodyOf(sentence, settings, voices) }));
    const { sentences, unused } = taken(asked, this.#track.sentences);
    for (const take of unused) this.#kept.deleteTake(take);
    return sentences;
  }

  #show(sentences, place) {
    this.playback.load(new Track(sentences), place);
    this.#reveal();
    this.#draw();
    this.#shown = this.reading.show(this.#track);
  }

  #retry(index) {
    this.retakes.retry(index);
    this.transport.toggle.focus();
  }

  #download({ format, part }) {
    const { sentences } = this.#track;
    const language = this.composer.settings.language || null;
    const only = part === "one" ? sentences[this.playback.place.index] : null;
    this.downloads.want({ format, only, language }, this.#track);
    this.#told();
  }

  /** What is not heard either is not made any further. */
  #dropDownload() {
    this.downloads.drop();
    if (this.playback.state === "idle") this.maker.stop();
    this.#told();
    this.transport.get.focus();
  }

  #gaveUp(error) {
    this.#page.say(`The speech has stopped. ${error.message}`, { kind: "bad" });
    this.downloads.drop();
    if (this.playback.state === "playing") this.playback.pause();
    this.#told();
  }

  #back() {
    this.maker.back();
    if (this.composer.voices.models.length === 0) this.#load();
  }

  /* ---- What is kept ---- */

  async restore() {
    await (this.#restored = this.#restore());
    await this.#shown;
    await this.#load();
  }

  async #restore() {
    const [script, book] = await Promise.all([this.#kept.script(), this.#kept.book()]);
    const { text, settings, chapter } = script ?? {};
    this.composer.restore({ text, settings, book, chapter });
    this.saving.begin();
    if (script) this.#goOn(script);
  }

  /** What was not finished goes on, and waits to be heard. */
  #goOn({ sentences, place, running, speed }) {
    this.#show(sentences, place);
    this.transport.speed.value = String(speed ?? 1);
    this.playback.speed = speed ?? 1;
    if (sentences.length === 0) return;
    if (running || place.index > 0 || place.offsetS > 0) this.playback.waitAt(place);
    if (running) this.maker.start(this.#track);
    sentences.filter(isWordless).forEach((sentence) => this.timing.want(sentence));
  }

  async #load() {
    try {
      await this.composer.load();
    } catch (error) {
      if (!isAway(error)) this.#page.say(`The voices are not known. ${error.message}`, { kind: "warn" });
    }
  }

  #script() {
    const { area, settings, chapter } = this.composer;
    return { text: area.value, settings, chapter: chapter.value, sentences: this.#track.sentences };
  }

  #place() {
    const { place, state, speed } = this.playback;
    const blank = !this.composer.area.value.trim() && this.#track.sentences.length === 0;
    return { place, running: state !== "idle", speed, blank };
  }

  /** Nothing more is made for a page that nobody looks at. */
  #leave() {
    this.saving.now();
    this.maker.stop({ leaving: true });
    if (this.playback.state === "playing") this.playback.pause();
  }
}

function isWordless({ take }) {
  return take.state === "done" && take.words.length === 0 && take.length > 0;
}

function section(name, ...parts) {
  return element("section", { class: "panel stack", "aria-label": name }, ...parts);
}
