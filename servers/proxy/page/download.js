// What was spoken as files: sound, subtitles, or every sentence in a zip archive.

import { Zip } from "./zip.js";

/** What the page offers: [format, what it is called]. */
export const FORMATS = [
  ["wav", "WAV, sound as it is"],
  ["mp3", "MP3, small sound"],
  ["srt", "SRT, subtitles"],
  ["vtt", "WebVTT, subtitles"],
  ["zip", "ZIP, each sentence a WAV"],
];
const HEADER_BYTES = 44;
const SLUG_CHARS = 40;

/** The first bytes of a WAV file of so many samples: mono, 16 bits. */
export function wavHeader(samples, rate) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  const bytes = samples * 2;
  const text = (at, letters) => new TextEncoder().encodeInto(letters, new Uint8Array(view.buffer, at));
  text(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  return new Uint8Array(view.buffer);
}

/** All words of the sentences, in the time of all their audio. */
export function wordsOf(sentences) {
  let at = 0;
  return sentences.flatMap(({ take }) => {
    const shifted = take.words.map((word) => ({ ...word, start: word.start + at, end: word.end + at }));
    at += take.seconds;
    return shifted;
  });
}

/**
 * A Blob of the sentences' takes, which are complete. `samplesOf(take)` gives Int16Arrays; what this browser
 * cannot make itself the server makes, by `api`.
 */
export async function fileOf(format, sentences, { api, samplesOf, language = null }) {
  const spoken = sentences.filter(({ take }) => take.length > 0);
  if (spoken.length === 0) throw new Error("There is no sound yet to download: press Speak first.");
  if (format === "zip") return zipOf(spoken, samplesOf);
  if (format === "srt" || format === "vtt") return subtitlesOf(format, spoken, language, api);
  const rate = spoken[0].take.rate;
  const parts = await partsOf(spoken, samplesOf);
  const samples = parts.reduce((sum, part) => sum + part.size / 2, 0);
  if (format === "wav") return new Blob([wavHeader(samples, rate), ...parts], { type: "audio/wav" });
  const path = `/api/encode?format=${format}&sample_rate=${rate}`;
  const body = new Blob(parts, { type: "application/octet-stream" });
  return (await api.send("POST", path, { body })).blob();
}

async function partsOf(sentences, samplesOf) {
  const parts = [];
  for (const { take } of sentences) parts.push(new Blob([await samplesOf(take)]));
  return parts;
}

async function subtitlesOf(format, sentences, language, api) {
  const words = wordsOf(sentences);
  if (words.length === 0) throw new Error("This voice does not tell when its words are said: no subtitles.");
  const body = { words, format, ...(language && { language }) };
  return (await api.send("POST", "/api/subtitles", { body })).blob();
}

async function zipOf(sentences, samplesOf) {
  const zip = new Zip();
  for (const [index, { text, take }] of sentences.entries()) {
    const samples = await samplesOf(take);
    const whole = new Uint8Array(HEADER_BYTES + samples.byteLength);
    whole.set(wavHeader(samples.length, take.rate));
    whole.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), HEADER_BYTES);
    zip.add(`${String(index + 1).padStart(4, "0")} ${slug(text)}.wav`, whole);
  }
  const all = sentences.map(({ text }) => text).join("\n");
  zip.add("text.txt", new TextEncoder().encode(`${all}\n`));
  return zip.blob();
}

/** A text's beginning as a name that every system takes. */
export function slug(text) {
  const plain = text.replace(/[^\p{L}\p{N} ]/gu, "").replace(/\s+/gu, " ").trim();
  return [...plain].slice(0, SLUG_CHARS).join("").trim() || "speech";
}

/** Has the browser save it. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
