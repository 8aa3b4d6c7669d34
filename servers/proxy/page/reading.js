// The text as it is read: its paragraphs and sentences, the words that light up, and what went wrong where.

import { element } from "./element.js";
import { Heights } from "./heights.js";
import { inSlices } from "./slices.js";
import { Words } from "./words.js";

/**
 * `onSeek(index, offsetS)` is called for a word that is clicked, `onRetry(index)` for a sentence that failed.
 */
export class Reading {
  #root;
  #on;
  #places = [];
  #marked = null;
  #said = null;
  #run = 0;

  constructor(root, { onSeek, onRetry }) {
    this.#root = root;
    this.#on = { onSeek, onRetry };
  }

  /** Resolves once all of it is built, or another text is shown. */
  async show(track) {
    const run = (this.#run += 1);
    this.#places = [];
    this.#marked = this.#said = null;
    this.#root.replaceChildren();
    let paragraph = null;
    const heights = new Heights(this.#root);
    const build = (sentence, index) => {
      const before = track.sentences[index - 1];
      if (before?.paragraph !== sentence.paragraph) paragraph = this.#paragraph(sentence, before);
      paragraph.append(this.#sentence(index, sentence), " ");
      heights.grow(paragraph, sentence.text);
      this.update(index, track);
    };
    if (await inSlices(track.sentences, build, () => run === this.#run)) this.said(this.#said, track.starts);
  }

  /** A sentence as it is now, and where those after it begin. */
  update(index, track) {
    const place = this.#places[index];
    if (!place) return;
    const { take } = track.sentences[index];
    this.#words(place, take);
    place.root.dataset.state = take.state;
    place.fault?.remove();
    place.fault = take.state === "failed" ? this.#fault(index, take) : null;
    if (place.fault) place.root.after(" ", place.fault);
    this.shift(track, index);
  }

  /** When each sentence begins, from that one on. */
  shift(track, from = 0) {
    for (let index = from; index < track.starts.length && index < this.#places.length; index += 1) {
      const { words } = this.#places[index];
      if (words) words.offsetS = track.starts[index];
    }
  }

  /**
   * Marks the word that is said, as soon as it is built; none for null. Returns its sentence's element where
   * that is another now.
   */
  said(place, starts) {
    this.#said = place;
    const now = this.#places[place?.index] ?? null;
    const changed = now !== this.#marked;
    if (changed) {
      this.#marked?.words?.said(null);
      this.#marked?.root.classList.remove("current");
      now?.root.classList.add("current");
      this.#marked = now;
    }
    now?.words?.said((starts[place.index] ?? 0) + place.offsetS);
    return changed ? now?.root : undefined;
  }

  #paragraph({ voice }, before) {
    const root = element("p", { class: "paragraph" });
    if ((before?.voice ?? null) !== voice) {
      this.#root.append(element("p", { class: "speaker" }, voice ?? "The chosen voice"));
    }
    this.#root.append(root);
    return root;
  }

  #sentence(index, { text }) {
    const root = element("span", { class: "sentence to-come" }, text);
    this.#places.push({ index, text, root, words: null, fault: null });
    return root;
  }

  #words(place, take) {
    if (take.words.length < (place.words?.words.length ?? 0)) {
      place.words.forget();
      place.take = null;
    }
    if (take.words.length === 0) return;
    if (!place.words) this.#begin(place);
    const shown = place.words.words.length;
    if (take.words.length > shown) place.words.append(take.words.slice(shown));
    if (take.state === "done" && place.take !== take) this.#replace(place, take);
  }

  #begin(place) {
    place.root.replaceChildren();
    place.root.classList.remove("to-come");
    const onSeek = (seconds) => this.#on.onSeek(place.index, seconds - place.words.offsetS);
    place.words = new Words(place.root, { onSeek });
    place.words.write(place.text);
  }

  /** What is known at the end counts, whatever was told before. */
  #replace(place, take) {
    place.take = take;
    if (take.words.every(({ start, word }, n) => same(place.words.words[n], start, word))) return;
    place.words.forget();
    place.words.append(take.words);
  }

  #fault(index, { error }) {
    const press = { type: "button", class: "small", onclick: () => this.#on.onRetry(index) };
    const retry = element("button", press, "Try again");
    const message = error?.message ?? "It could not be spoken.";
    return element("span", { class: "fault" }, `This sentence was not spoken. ${message} `, retry);
  }
}

function same(shown, start, word) {
  return shown?.start === start && shown.word === word;
}
