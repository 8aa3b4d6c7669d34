// A text with voice tags as the sentences that are spoken one by one; pure.

/** A longer text is a book: its chapters are spoken one by one. */
export const MOST_CHARS = 300_000;
/** A sentence goes to the server in one request, and is heard once its first words are made. */
export const LONGEST_SENTENCE = 400;

const TAG = /^[^\S\n]*\[([^\]\n]{1,80})\](?!\()[^\S\n]*/u;
const TITLES = "mr mrs ms dr prof rev hon sr jr st mt gen col lt sgt capt gov sen rep messrs";
const SHORT_FORMS = "vs no vol fig approx dept est e\\.g i\\.e cf ca nr bzw z\\.b [b-hj-z]";
const ANY_SHORT = `${TITLES} ${SHORT_FORMS}`.replaceAll(" ", "|");
const SHORT = new RegExp(`(?:^|[\\s"'“‘«(])(?:${ANY_SHORT})\\.\\s*$`, "iu");
const SMALL = /^["'“‘«(]?\p{Ll}/u;
const SAYABLE = /[\p{L}\p{N}]/u;
const CLAUSE_END = /[,;:–—，；：、)\]]["'”’»]?\s/gu;

/**
 * The sentences of a text: [{text, voice, paragraph}]; `voice` is null for the one that the page chooses.
 * A line that begins with `[voice name]` is spoken by that voice, and so is what follows, up to the next tag;
 * `[default]` goes back. Blank lines, and tags, begin a paragraph.
 */
export function sentencesOf(text, locale) {
  const segmenter = new Intl.Segmenter(locale, { granularity: "sentence" });
  return paragraphsOf(text).flatMap(({ text: said, voice }, paragraph) =>
    split(said, segmenter).map((sentence) => ({ text: sentence, voice, paragraph })));
}

/** [{text, voice}], each with something that can be said. */
export function paragraphsOf(text) {
  const found = [];
  let voice = null;
  let lines = [];
  const close = () => {
    const said = lines.join(" ").split(/\s+/u).filter(Boolean).join(" ");
    if (SAYABLE.test(said)) found.push({ text: said, voice });
    lines = [];
  };
  for (const line of text.split(/\r\n|\r|\n/u)) {
    const tag = tagOf(line);
    if (tag || line.trim() === "") close();
    if (tag) voice = tag.voice;
    lines.push(tag ? tag.rest : line);
  }
  close();
  return found;
}

/** {voice, rest} of a line that begins with a tag. A name has a letter: `[1]` is a footnote. */
function tagOf(line) {
  const match = TAG.exec(line);
  const name = match?.[1].trim() ?? "";
  if (!/\p{L}/u.test(name)) return null;
  return { voice: name.toLowerCase() === "default" ? null : name, rest: line.slice(match[0].length) };
}

function split(paragraph, segmenter) {
  const sentences = [];
  for (const { segment } of segmenter.segment(paragraph)) {
    const last = sentences.at(-1);
    if (last !== undefined && belongsTo(last, segment)) sentences[sentences.length - 1] = last + segment;
    else sentences.push(segment);
  }
  return sentences.flatMap((sentence) => bounded(sentence.trim())).filter((each) => SAYABLE.test(each));
}

/** What follows a short form or begins small is no sentence of its own, nor what cannot be said. */
function belongsTo(last, next) {
  return SHORT.test(last) || SMALL.test(next) || !SAYABLE.test(next) || !SAYABLE.test(last);
}

/** One that is too long in pieces: at the last clause's end, else at the last space, else anywhere. */
function bounded(sentence) {
  const pieces = [];
  let rest = sentence;
  while (rest.length > LONGEST_SENTENCE) {
    const at = breakOf(rest.slice(0, LONGEST_SENTENCE));
    pieces.push(rest.slice(0, at).trim());
    rest = rest.slice(at).trim();
  }
  return [...pieces, rest];
}

function breakOf(head) {
  const clauses = [...head.matchAll(CLAUSE_END)].map((match) => match.index + match[0].length);
  const clause = clauses.at(-1) ?? 0;
  if (clause > head.length / 3) return clause;
  const space = head.lastIndexOf(" ");
  return space > 0 ? space : withinCharacters(head);
}

/** Never between the two halves of a character. */
function withinCharacters(head) {
  const last = head.charCodeAt(head.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? head.length - 1 : head.length;
}

/** Why a text cannot be spoken as a whole, or null. */
export function refusalOf(text) {
  if (!SAYABLE.test(text)) return "There is nothing to say yet: write a text, or open a file.";
  if (text.length <= MOST_CHARS) return null;
  const size = text.length.toLocaleString("en");
  return `The text has ${size} characters, and ${MOST_CHARS.toLocaleString("en")} are possible at once: ` +
    "speak it in parts.";
}
