// The words of an edited sentence: what stayed keeps its times, what is new has those of what it replaces.

const MOST_CELLS = 1_000_000;

/**
 * @typedef {Object} Word as the servers tell it
 * @property {string} word
 * @property {number} start
 * @property {number} end
 * @property {?number} score
 * @property {boolean} interpolated
 * @property {?string} speaker
 */

/**
 * The words of `text`, timed by those of the sentence that it was made of.
 * @param {Word[]} words ascending, those that were there
 * @param {string} text what is there instead; none of it where it is empty
 * @param {{start: number, end: number, speaker: ?string}} segment whose words they are
 * @returns {Word[]} a word that was written has no score: nobody has measured it
 */
export function retimed(words, text, segment) {
  const written = text.split(/\s+/u).filter(Boolean);
  const pairs = matches(
    words.map((word) => word.word),
    written,
  );
  const found = [];
  let [old, now] = [0, 0];
  for (const [oldAt, nowAt] of [...pairs, [words.length, written.length]]) {
    found.push(...replaced(words, old, oldAt, written.slice(now, nowAt), segment));
    if (oldAt < words.length) found.push(words[oldAt]);
    [old, now] = [oldAt + 1, nowAt + 1];
  }
  return found;
}

/** 1. As many as there were: each has the times of the one it replaces. 2. Otherwise they share the time. */
function replaced(words, from, until, written, segment) {
  if (written.length === until - from) {
    return written.map((word, index) =>
      timed(word, words[from + index].start, words[from + index].end, segment),
    ); // 1
  }
  const startS = from < until ? words[from].start : (words[from - 1]?.end ?? segment.start);
  const endS = from < until ? words[until - 1].end : (words[until]?.start ?? segment.end);
  return shared(written, startS, Math.max(startS, endS), segment); // 2
}

/** Times in proportion to the words' letters. */
export function shared(written, startS, endS, segment) {
  const perLetterS = (endS - startS) / Math.max(1, written.join("").length);
  let atS = startS;
  return written.map((word) => timed(word, atS, (atS += word.length * perLetterS), segment, true));
}

function timed(word, start, end, { speaker }, interpolated = false) {
  return { word, start, end, score: null, interpolated, speaker };
}

/** Pairs of places [of old, of now] of the words that both have, ascending, as many as there can be. */
function matches(old, now) {
  const most = Math.min(old.length, now.length);
  let head = 0;
  while (head < most && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < most - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const between = longest(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  return [
    ...Array.from({ length: head }, (_, at) => [at, at]),
    ...between.map(([one, other]) => [one + head, other + head]),
    ...Array.from({ length: tail }, (_, at) => [old.length - tail + at, now.length - tail + at]),
  ];
}

/** The longest common subsequence; none of what is too long to compare. */
function longest(old, now) {
  if (old.length * now.length > MOST_CELLS) return [];
  const width = now.length + 1;
  const lengths = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const [down, right] = [lengths[(i + 1) * width + j], lengths[i * width + j + 1]];
      lengths[i * width + j] =
        old[i] === now[j] ? lengths[(i + 1) * width + j + 1] + 1 : Math.max(down, right);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < old.length && j < now.length;) {
    if (old[i] === now[j]) pairs.push([i++, j++]);
    else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return pairs;
}
