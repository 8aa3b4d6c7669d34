// The script of this window and its takes, as this browser keeps them.

import { Take } from "./takes.js";

/** So many takes' samples stay in memory beside those that are being made. */
const MOST_IN_MEMORY = 60;
const START = { index: 0, offsetS: 0 };

/**
 * Takes are written one after the other, so that what is written last is what stays. Scripts and places go at
 * once, and the browser keeps their order: a page that goes has no time to wait for the takes before them.
 */
export class Kept {
  #keep;
  #name;
  #onError;
  #queue = Promise.resolve();
  #recent = [];

  /** `keep` is that of keep.js, `name` the script's; `onError(error)` is told what could not be written. */
  constructor(keep, name, onError) {
    this.#keep = keep;
    this.#name = name;
    this.#onError = onError;
  }

  /** The script as it was saved, with the place in it and each sentence with its takes; or null. */
  async script() {
    const [script, where] = await Promise.all([this.#name, placeOf(this.#name)].map((key) => this.#had(key)));
    if (!script) return null;
    const sentences = await Promise.all(script.sentences.map((sentence) => this.#withTakes(sentence)));
    return { place: START, running: false, ...script, ...where, sentences };
  }

  /** The book that its text is from, or undefined. */
  book() {
    return this.#had(bookOf(this.#name));
  }

  saveScript({ sentences, ...script }) {
    const plain = sentences.map(({ text, voice, paragraph, body, take, other }) =>
      ({ text, voice, paragraph, body, take: take.id, other: other?.id ?? null }));
    return this.#atOnce(this.#name, { ...script, sentences: plain });
  }

  /** Where in it one is, which changes more often: {place, running, speed, blank}. */
  savePlace(where) {
    return this.#atOnce(placeOf(this.#name), { ...where, savedAt: Date.now() });
  }

  saveBook(book) {
    return this.#atOnce(bookOf(this.#name), book);
  }

  /** One that is done, or that has its name: it is asked for by that after a reload. */
  saveTake(take) {
    const about = take.about();
    const samples = take.state === "done" ? take.samples() : null;
    return this.#write(async () => {
      if (samples) await this.#keep.put("takes", `${take.id}/audio`, samples);
      await this.#keep.put("takes", take.id, about);
      if (samples) this.#used(take);
    });
  }

  /** What was learnt of it since; its samples stay as they are kept. */
  saveAbout(take) {
    const about = take.about();
    return this.#write(() => this.#keep.put("takes", take.id, about));
  }

  deleteTake(take) {
    return this.#write(() => deleted(this.#keep, take.id));
  }

  /** The samples of a take, from memory or as they were kept. Throws a sentence where they are gone. */
  async samplesOf(take) {
    if (!take.loaded) {
      const samples = await this.#keep.get("takes", `${take.id}/audio`);
      if (!samples) throw new Error("The browser has lost this sentence: say it again.");
      take.load(samples);
      this.#used(take);
    }
    return take.samples();
  }

  /** When everything that was asked so far is written. */
  settled() {
    return this.#queue;
  }

  #had(key) {
    return this.#keep.get("scripts", key);
  }

  async #withTakes({ take, other, ...sentence }) {
    const [chosen, second] = await Promise.all([this.#take(take), other ? this.#take(other) : null]);
    return { ...sentence, take: chosen ?? new Take(), other: second };
  }

  async #take(id) {
    const about = await this.#keep.get("takes", id);
    if (!about) return null;
    if (about.state === "done") return new Take(about);
    // by its name what was made in the meantime is had; what failed would fail again by it
    const named = about.state === "failed" ? {} : { key: about.key };
    return new Take({ id, seed: about.seed, restored: true, ...named });
  }

  #used(take) {
    this.#recent = [...this.#recent.filter((each) => each !== take), take];
    while (this.#recent.length > MOST_IN_MEMORY) this.#recent.shift().unload();
  }

  #atOnce(key, value) {
    const written = this.#keep.put("scripts", key, value).catch(this.#onError);
    this.#queue = Promise.all([this.#queue, written]);
    return written;
  }

  #write(act) {
    this.#queue = this.#queue.then(act).catch(this.#onError);
    return this.#queue;
  }
}

/** The scripts of all windows. */
export class KeptScripts {
  #keep;

  constructor(keep) {
    this.#keep = keep;
  }

  /** [{name, savedAt, blank}]: the one that was left last comes first, and those without a text at the end. */
  async all() {
    const keys = await this.#keep.keys("scripts");
    const scripts = await Promise.all(keys.filter(isScript).map((name) => this.#about(name)));
    return scripts.sort((one, other) => one.blank - other.blank || other.savedAt - one.savedAt);
  }

  /** With its takes. */
  async remove(name) {
    const script = await this.#keep.get("scripts", name);
    const takes = (script?.sentences ?? []).flatMap(({ take, other }) => [take, other]).filter(Boolean);
    for (const take of takes) await deleted(this.#keep, take);
    for (const key of [bookOf(name), placeOf(name), name]) await this.#keep.delete("scripts", key);
  }

  async #about(name) {
    const { savedAt = 0, blank = false } = (await this.#keep.get("scripts", placeOf(name))) ?? {};
    return { name, savedAt, blank };
  }
}

const placeOf = (name) => `${name}/place`;
const bookOf = (name) => `${name}/book`;
const isScript = (key) => !key.includes("/");

async function deleted(keep, take) {
  await keep.delete("takes", take);
  await keep.delete("takes", `${take}/audio`);
}
