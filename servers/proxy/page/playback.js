// What is heard of a track: whether it plays, and where in it one is.

import { Feeder } from "./feeder.js";
import { Player } from "./player.js";
import { Track } from "./track.js";

export const START = { index: 0, offsetS: 0 };
const NO_SOUND =
  "This device plays no sound yet: where it has no speaker, connect one, and press Pause and Resume.";

/** `state` is idle, playing or paused. Events: `change` where that, or the sentence that is heard, is another. */
export class Playback extends EventTarget {
  #page;
  #player = new Player();
  #feeder;
  #track = new Track([]);
  #place = START;
  #state = "idle";
  #picture = null;
  #putAway = () => {};

  /** It shows on `transport` and in `reading` what it does; `maker` makes what is heard next. */
  constructor({ kept, maker, transport, reading, saving, say }) {
    super();
    this.#page = { maker, transport, reading, saving, say };
    this.#feeder = new Feeder({ player: this.#player, kept });
    this.#player.addEventListener("ended", () => this.#ended());
    this.#player.addEventListener("late", () => (this.#putAway = say(NO_SOUND, { kind: "bad" })));
    for (const name of ["playing", "paused"]) this.#player.addEventListener(name, () => this.#putAway());
  }

  get track() {
    return this.#track;
  }

  get place() {
    return this.#place;
  }

  get state() {
    return this.#state;
  }

  get speed() {
    return this.#player.speed;
  }

  set speed(speed) {
    this.#player.speed = speed;
  }

  /** Whether it would play on if there were more. */
  get hungry() {
    const { end, position } = this.#player;
    return this.#state === "playing" && end - position < 0.02 && !this.#feeder.finished;
  }

  /** Another track, from a place in it; nothing is heard of it yet. */
  load(track, place = START) {
    this.#track = track;
    this.#place = this.#page.maker.place = place;
  }

  /** Where it was before the page was reloaded. */
  waitAt(place) {
    this.#place = this.#page.maker.place = place;
    this.#to("paused");
    this.#mark();
  }

  async resume() {
    const { maker, saving } = this.#page;
    this.#to("playing");
    maker.place = this.#place;
    maker.start(this.#track);
    const fed = this.#feeder.start(this.#track, this.#place);
    await Promise.all([fed, this.#player.play()]).catch((error) => this.#broken(error));
    this.#frame();
    saving.now();
  }

  async pause() {
    await this.#player.pause();
    this.#to("paused");
    this.#page.saving.now();
  }

  /** Silence, until it is asked for again. */
  hush() {
    return this.#player.pause();
  }

  async stop() {
    await this.#player.stop();
    this.#rewind();
  }

  seek(place) {
    if (!this.#track.sentences[place.index]) return;
    const { maker, saving } = this.#page;
    this.#place = maker.place = place;
    this.#feeder.start(this.#track, place).catch((error) => this.#broken(error));
    maker.tick();
    if (this.#state === "idle") this.#to("paused");
    this.#mark();
    saving.moved();
  }

  /** There may be more to give to the player. */
  feed() {
    if (this.#state === "playing") this.#feeder.feed().catch((error) => this.#broken(error));
  }

  tick() {
    if (this.#state !== "playing") return;
    this.#place = this.#page.maker.place = this.#feeder.place;
    this.feed();
    this.#page.saving.tick();
  }

  #to(state) {
    this.#state = state;
    this.#page.transport.show(state);
    this.#tell();
  }

  #ended() {
    if (!this.#feeder.finished || this.#state !== "playing") return;
    this.#player.pause();
    this.#rewind();
  }

  #rewind() {
    this.#place = START;
    this.#page.reading.said(null, []);
    this.#page.transport.at(0);
    this.#to("idle");
    this.#page.saving.now();
  }

  #broken(error) {
    this.#page.say(error.message, { kind: "bad" });
    this.pause();
  }

  /** On each picture while it plays: the word that is said, and where that is. */
  #frame() {
    if (this.#state !== "playing") return;
    this.#place = this.#feeder.place;
    this.#mark();
    cancelAnimationFrame(this.#picture); // who asks for another one while it plays has one still
    this.#picture = requestAnimationFrame(() => this.#frame());
  }

  #mark() {
    const other = this.#page.reading.said(this.#place, this.#track.starts);
    this.#page.transport.at(this.#track.secondsOf(this.#place));
    if (!other) return;
    this.#tell();
    if (this.#state === "playing") inView(other);
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Scrolls where the sentence that is spoken is not to be seen. */
function inView(sentence) {
  const { top, bottom } = sentence.getBoundingClientRect();
  if (top >= 60 && bottom <= innerHeight * 0.7) return;
  sentence.scrollIntoView({ block: "center", behavior: "smooth" });
}
