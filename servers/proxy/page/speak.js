// The tab Speak: a text is spoken sentence by sentence, heard while the rest is made, and kept over a reload.

import { Away } from "./away.js";
import { Composer } from "./composer.js";
import { Downloads } from "./downloads.js";
import { element, icon, ICONS } from "./element.js";
import { Feeder } from "./feeder.js";
import { Maker } from "./maker.js";
import { Player } from "./player.js";
import { Reading } from "./reading.js";
import { refusalOf, sentencesOf } from "./script.js";
import { SentenceBar } from "./sentence_bar.js";
import { isAway } from "./speech.js";
import { Kept, Take, taken } from "./takes.js";
import { Timing } from "./timing.js";
import { Track } from "./track.js";
import { Transport } from "./transport.js";
import { bodyOf } from "./voices.js";
import { expectedSeconds } from "./waveform.js";

const TICK_MS = 200;
const SAVE_EVERY_MS = 2000;
const SAVE_AFTER_MS = 400;

/** Builds the tab in `root`, with what was there before a reload. */
export async function start(page) {
  const tab = new Speak(page);
  await tab.restore();
  return tab;
}

class Speak {
  #page;
  #kept;
  #state = "idle";
  #track = new Track([]);
  #place = { index: 0, offsetS: 0 };
  #savedAt = 0;
  #saving = null;
  #restored = false;
  #drawn = true;
  #picture = null;
  /** The sentence that is being said again. */
  #saying = null;
  /** The one that was said again last. */
  #retaken = null;

  constructor({ root, api, keep, machine, say }) {
    this.#page = { root, api, keep, machine, say };
    this.#kept = new Kept(keep, (error) => say(error.message, { kind: "bad" }));
    this.composer = new Composer({ api, say });
    this.transport = new Transport();
    this.sentenceBar = new SentenceBar();
    this.player = new Player();
    this.feeder = new Feeder({ player: this.player, kept: this.#kept });
    this.maker = new Maker({ api, kept: this.#kept });
    this.#build();
    this.reading = new Reading(this.text, {
      onSeek: (index, offsetS) => this.#seek({ index, offsetS }),
      onRetry: (index) => this.#retry(index),
    });
    this.away = new Away({ root: this.notice, api, machine, say }, () => this.#back());
    const { maker, transport } = this;
    this.downloads = new Downloads({ api, say, kept: this.#kept, maker, transport });
    const isWanted = (take) => this.#indexOf(take) >= 0;
    const onTimed = (take) => this.#timed(take);
    this.timing = new Timing({ api, say, kept: this.#kept }, { isWanted, onTimed });
    this.#listen();
    setInterval(() => this.#tick(), TICK_MS);
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
    this.#reveal();
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

  #to(state) {
    this.#state = state;
    this.transport.show(state);
    this.#told();
  }

  /** One line on what is going on. */
  #told() {
    const { sentences } = this.#track;
    const made = sentences.filter(({ take }) => take.complete).length;
    const working = this.maker.working && made < sentences.length;
    const hungry = this.player.end - this.player.position < 0.02 && !this.feeder.finished;
    this.transport.tell({
      made: working ? `${made} of ${sentences.length} sentences are made` : "",
      state: hungry && this.#state === "playing" ? "Waiting for the voice…" : "",
    });
    this.#toldOfSentence();
    this.downloads.tell(this.#track);
  }

  /** Which sentence the bar is about: one that was said again until that is decided, else the one heard. */
  get #shown() {
    const said = this.#retaken?.other ? this.#track.sentences.indexOf(this.#retaken) : -1;
    return said >= 0 ? said : this.#place.index;
  }

  #toldOfSentence() {
    const index = this.#shown;
    const { sentences } = this.#track;
    this.sentenceBar.show(sentences[index], index, sentences.length, this.#saying === sentences[index]);
  }

  /* ---- What is heard and made ---- */

  #listen() {
    const { transport, player, maker, composer } = this;
    const of = (event) => this.#indexOf(event.detail);
    transport.addEventListener("toggle", () => (this.#state === "playing" ? this.pause() : this.resume()));
    transport.addEventListener("stop", () => this.stop());
    transport.addEventListener("seek", ({ detail }) => this.#seek(this.#track.placeOf(detail)));
    transport.addEventListener("speed", ({ detail }) => (this.player.speed = detail));
    transport.addEventListener("download", ({ detail }) => this.#download(detail));
    transport.addEventListener("drop", () => this.#dropDownload());
    this.sentenceBar.addEventListener("again", () => this.#again());
    this.sentenceBar.addEventListener("keep", () => this.#decide(true));
    this.sentenceBar.addEventListener("takeback", () => this.#decide(false));
    player.addEventListener("ended", () => this.#ended());
    for (const name of ["audio", "words", "done", "failed", "reset"]) {
      maker.addEventListener(name, (event) => this.#changed(of(event), name));
    }
    maker.addEventListener("away", ({ detail }) => this.away.show(detail));
    maker.addEventListener("back", () => this.away.hide());
    maker.addEventListener("gaveup", ({ detail }) => this.#gaveUp(detail));
    composer.addEventListener("change", () => this.#saveSoon());
    addEventListener("pagehide", () => this.#leave());
    addEventListener("visibilitychange", () => document.hidden && this.#save());
  }

  /** From its beginning; what was spoken before just so is not made again. */
  async speak() {
    const text = this.composer.area.value;
    const refusal = refusalOf(text);
    this.composer.refuse(refusal);
    if (refusal) {
      this.composer.area.focus();
      return;
    }
    this.maker.stop();
    this.downloads.drop();
    await this.player.pause();
    this.#place = { index: 0, offsetS: 0 };
    const shown = this.#show(this.#sentences(text));
    await Promise.all([shown, this.resume()]);
    this.text.scrollIntoView({ block: "nearest" });
  }

  /** Where it was. */
  async resume() {
    this.#to("playing");
    this.maker.place = this.#place;
    this.maker.start(this.#track);
    const fed = this.feeder.start(this.#track, this.#place);
    await Promise.all([fed, this.player.play()]).catch((error) => this.#broken(error));
    this.#frame();
    this.#save();
  }

  async pause() {
    await this.player.pause();
    this.#to("paused");
    this.#save();
  }

  async stop() {
    this.maker.stop();
    await this.player.stop();
    this.away.hide();
    this.downloads.drop();
    this.#rewind();
  }

  #seek(place) {
    if (!this.#track.sentences[place.index]) return;
    this.#place = this.maker.place = place;
    this.feeder.start(this.#track, place).catch((error) => this.#broken(error));
    this.maker.tick();
    if (this.#state === "idle") this.#to("paused");
    this.#mark();
    this.#saveSoon();
  }

  #ended() {
    if (!this.feeder.finished || this.#state !== "playing") return;
    this.player.pause();
    this.#rewind();
  }

  #rewind() {
    this.#place = { index: 0, offsetS: 0 };
    this.reading.said(null, []);
    this.transport.at(0);
    this.#to("idle");
    this.#save();
  }

  #broken(error) {
    this.#page.say(error.message, { kind: "bad" });
    this.pause();
  }

  /** On each picture while it plays: the word that is said, and where that is. */
  #frame() {
    if (this.#state !== "playing") return;
    this.#place = this.feeder.place;
    this.#mark();
    cancelAnimationFrame(this.#picture); // who asks for another one while it plays has one still
    this.#picture = requestAnimationFrame(() => this.#frame());
  }

  #mark() {
    const other = this.reading.said(this.#place, this.#track.starts);
    this.transport.at(this.#track.secondsOf(this.#place));
    if (!other) return;
    this.#toldOfSentence();
    if (this.#state === "playing") inView(other);
  }

  #tick() {
    if (this.#state === "playing") {
      this.#place = this.feeder.place;
      this.maker.place = this.#place;
      this.feeder.feed().catch((error) => this.#broken(error));
      if (performance.now() - this.#savedAt > SAVE_EVERY_MS) this.#save();
    }
    this.maker.tick();
    if (!this.#drawn) this.#draw();
    this.#told();
  }

  /** Not with each piece that comes: it looks at all that is there. */
  #draw() {
    this.#drawn = true;
    this.transport.track(this.#track, expectedSeconds(this.#track.sentences));
    this.transport.at(this.#track.secondsOf(this.#place));
  }

  #changed(index, name) {
    if (index < 0) return;
    this.#track.changed();
    this.reading.update(index, this.#track);
    this.#drawn = false;
    if (this.#state === "playing") this.feeder.feed().catch((error) => this.#broken(error));
    if (name === "done" || name === "failed") this.#told();
    const sentence = this.#track.sentences[index];
    if (name === "done" && isWordless(sentence)) this.timing.want(sentence);
  }

  #timed(take) {
    this.reading.update(this.#indexOf(take), this.#track);
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
    this.#forget(...unused);
    return sentences;
  }

  #forget(...takes) {
    for (const take of takes) if (take) this.#kept.deleteTake(take);
  }

  async #show(sentences) {
    this.#track = new Track(sentences);
    this.#reveal();
    this.#draw();
    await this.reading.show(this.#track);
  }

  /* ---- A sentence once more ---- */

  #retry(index) {
    const sentence = this.#track.sentences[index];
    this.#forget(sentence.take);
    sentence.take = new Take();
    this.#changed(index, "reset");
    this.maker.place = this.#place;
    this.maker.start(this.#track);
    // what is given to the player may be past it already
    if (this.#state !== "idle") this.#seek(index < this.#place.index ? { index, offsetS: 0 } : this.#place);
    this.transport.toggle.focus();
  }

  async #again() {
    const index = this.#shown;
    const sentence = this.#track.sentences[index];
    this.#saying = sentence;
    this.#toldOfSentence();
    try {
      const take = await this.maker.again(sentence);
      if (this.#track.sentences[index] !== sentence) { // another text is spoken by now
        this.#forget(take);
        return;
      }
      this.#forget(sentence.other);
      this.#choose(index, take, sentence.take);
      this.#retaken = sentence;
      await this.resume();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#page.say(`It was not said again: ${error.message}`, { kind: "bad" });
    } finally {
      this.#saying = null;
      this.#toldOfSentence();
    }
  }

  /** Keeps the new take, or goes back to the one before it; the other is deleted. */
  #decide(keepIt) {
    const index = this.#shown;
    const { take, other } = this.#track.sentences[index];
    if (!other) return;
    this.#forget(keepIt ? other : take);
    if (!keepIt) this.#choose(index, other, null);
    this.#track.sentences[index].other = null;
    this.#toldOfSentence();
    this.#save();
  }

  #choose(index, take, other) {
    Object.assign(this.#track.sentences[index], { take, other });
    this.#changed(index, "done");
    this.#seek({ index, offsetS: 0 });
    this.#save();
  }

  #download({ format, part }) {
    const { sentences } = this.#track;
    const language = this.composer.settings.language || null;
    const only = part === "one" ? sentences[this.#place.index] : null;
    this.downloads.want({ format, only, language }, this.#track);
    this.#told();
  }

  /** What is not heard either is not made any further. */
  #dropDownload() {
    this.downloads.drop();
    if (this.#state === "idle") this.maker.stop();
    this.#told();
    this.transport.get.focus();
  }

  #gaveUp(error) {
    this.#page.say(`The speech has stopped: ${error.message}`, { kind: "bad" });
    this.downloads.drop();
    if (this.#state === "playing") this.pause();
    this.#told();
  }

  #back() {
    this.maker.back();
    if (this.composer.voices.models.length === 0) this.#load();
  }

  /* ---- What is kept ---- */

  async restore() {
    const script = await this.#kept.script();
    const book = await this.#page.keep.get("scripts", "book");
    this.composer.restore({ text: script?.text, settings: script?.settings, book,
      chapter: script?.chapter });
    this.#restored = true;
    if (script) await this.#goOn(script);
    await this.#load();
  }

  /** What was not finished goes on, and waits to be heard. */
  async #goOn({ sentences, place, running, speed }) {
    await this.#show(sentences);
    this.transport.speed.value = String(speed ?? 1);
    this.player.speed = speed ?? 1;
    this.#place = this.maker.place = place;
    if (sentences.length === 0) return;
    const begun = place.index > 0 || place.offsetS > 0 || running;
    this.#to(begun ? "paused" : "idle");
    if (begun) this.#mark();
    if (running) this.maker.start(this.#track);
    sentences.filter(isWordless).forEach((sentence) => this.timing.want(sentence));
  }

  async #load() {
    try {
      await this.composer.load();
    } catch (error) {
      if (!isAway(error)) this.#page.say(`The voices are not known: ${error.message}`, { kind: "warn" });
    }
  }

  #saveSoon() {
    clearTimeout(this.#saving);
    this.#saving = setTimeout(() => this.#save(), SAVE_AFTER_MS);
  }

  #save() {
    if (!this.#restored) return; // a page that goes before it was there must not forget what was
    clearTimeout(this.#saving);
    this.#savedAt = performance.now();
    this.#kept.saveScript({
      text: this.composer.area.value, settings: this.composer.settings, chapter: this.composer.chapter.value,
      sentences: this.#track.sentences,
      place: this.#place, running: this.#state !== "idle", speed: this.player.speed,
    });
    if (this.composer.book !== this.savedBook) {
      this.savedBook = this.composer.book;
      this.#page.keep.put("scripts", "book", this.composer.book);
    }
  }

  /** Nothing more is made for a page that nobody looks at. */
  #leave() {
    this.#save();
    this.maker.stop({ leaving: true });
    if (this.#state === "playing") this.pause();
  }
}

function isWordless({ take }) {
  return take.state === "done" && take.words.length === 0 && take.length > 0;
}

function section(name, ...parts) {
  return element("section", { class: "panel stack", "aria-label": name }, ...parts);
}

/** Scrolls where the sentence that is spoken is not to be seen. */
function inView(sentence) {
  const { top, bottom } = sentence.getBoundingClientRect();
  if (top >= 60 && bottom <= innerHeight * 0.7) return;
  sentence.scrollIntoView({ block: "center", behavior: "smooth" });
}
