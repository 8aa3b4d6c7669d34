// What the score of a word says to a reader, and a transcript as the page works on it.

import { shared } from "./retime.js";

/** Below LOW a word is as likely wrong as not; below MID it is worth a look. As pocketsphinx scores them. */
const LOW = 0.3;
const MID = 0.6;
const SAID = /[\p{L}\p{N}]/u;

/** Of so few letters a word has too little sound of its own to be called wrong: "the" is seldom said in full. */
const SHORT = 3;
const letters = (word) => word.match(/\p{L}/gu)?.length ?? 0;

/** What the marks mean, in the order of a legend. */
export const LEGENDS = {
  transcribe: [
    ["score-low", "may be misheard"],
    ["score-mid", "worth a look"],
    ["guessed", "time is a guess"],
  ],
  align: [
    ["unfit", "does not fit the recording"],
    ["score-mid", "fits badly"],
    ["guessed", "time is a guess"],
  ],
};

/**
 * The mark of a word: a class, or null.
 * @param {{word: string, score: ?number, interpolated: boolean}} word
 * @param {"transcribe"|"align"} task
 */
export function mark({ word, score, interpolated }, task) {
  if (!SAID.test(word)) return null; // a dash is not said
  if (interpolated) return "guessed";
  if (score === null || score >= MID) return null;
  if (score >= LOW || (letters(word) > 0 && letters(word) <= SHORT)) return "score-mid";
  return task === "align" ? "unfit" : "score-low";
}

/** Whether a reader has to be told of the word: it is marked with the worst of its task's marks. */
export const isDoubtful = (word, task) => mark(word, task) === LEGENDS[task][0][0];

/**
 * A server's answer with segments that all have words: where a model tells none, they share the time.
 * @param {{segments: Object[]}} result
 */
export function worded(result) {
  const segments = result.segments.map((segment) => {
    if (segment.words?.length) return segment;
    return {
      ...segment,
      words: shared(segment.text.split(/\s+/u).filter(Boolean), segment.start, segment.end, segment),
    };
  });
  return whole({ ...result, segments });
}

/** The same with the text and the words that its segments have now. */
export function whole(result) {
  const { segments } = result;
  const text = segments.map((segment) => segment.text).join(" ");
  return { ...result, text, segments, words: segments.flatMap((segment) => segment.words) };
}

/** @param {number} seconds @returns {string} such as "1:02:03", "0:07" */
export function clock(seconds) {
  const [whole, parts] = [Math.floor(seconds), []];
  if (whole >= 3600) parts.push(Math.floor(whole / 3600));
  parts.push(Math.floor(whole / 60) % 60, whole % 60);
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}
