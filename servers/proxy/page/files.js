// Files that can be spoken: plain text, Markdown without its marks, and EPUB books by chapters.

import { bookOf, tidy } from "./epub.js";

const MB = 1_000_000;
const MOST_TEXT_BYTES = MB;
const MOST_BOOK_BYTES = 200 * MB;
const RULE = /^\s*([-*_]\s*){3,}$/u;
const UNDERLINE = /^\s*(=+|-+)\s*$/u;
const TABLE_RULE = /^\s*\|?[\s:|-]+\|[\s:|-]*$/u;
/** What the page's file chooser offers. */
export const ACCEPTED = ".txt,.md,.markdown,.epub,text/plain,text/markdown,application/epub+zip";

/**
 * {title, chapters: [{title, text}]} of a File; a text is one chapter.
 * Throws a sentence, before it is read where its size or its kind says enough.
 */
export async function opened(file) {
  const kind = kindOf(file.name, file.type);
  if (kind === null) {
    throw new Error(`“${file.name}” cannot be spoken: open a text (.txt), Markdown (.md) or book (.epub).`);
  }
  const most = kind === "epub" ? MOST_BOOK_BYTES : MOST_TEXT_BYTES;
  if (file.size > most) {
    const size = sizeOf(file.size);
    throw new Error(`“${file.name}” has ${size}, and ${sizeOf(most)} are possible: open a part of it.`);
  }
  if (kind === "epub") return bookOf(file);
  const text = decoded(await file.arrayBuffer(), file.name);
  const title = file.name.replace(/\.[^.]*$/u, "");
  return { title, chapters: [{ title, text: kind === "md" ? withoutMarks(text) : text }] };
}

function kindOf(name, type) {
  if (/\.epub$/iu.test(name) || type === "application/epub+zip") return "epub";
  if (/\.(md|markdown)$/iu.test(name) || type === "text/markdown") return "md";
  return /\.txt$/iu.test(name) || type === "text/plain" ? "txt" : null;
}

function sizeOf(bytes) {
  return bytes >= 1000 * MB ? `${(bytes / MB / 1000).toFixed(1)} GB` : `${Math.ceil(bytes / MB)} MB`;
}

/** UTF-8, UTF-16 by its mark, else Windows' Latin. */
function decoded(buffer, name) {
  const [first, second] = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
  const wide = { "255,254": "utf-16le", "254,255": "utf-16be" }[`${first},${second}`];
  const text = wide ? new TextDecoder(wide).decode(buffer) : utf8OrLatin(buffer);
  if (text.includes("\0")) throw new Error(`“${name}” is no text, whatever its name says.`);
  return text;
}

function utf8OrLatin(buffer) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(buffer);
  } catch {
    return new TextDecoder("windows-1252").decode(buffer);
  }
}

/** Markdown as it is read aloud: no marks, no code, of links and pictures their words. */
export function withoutMarks(text) {
  const lines = text
    .replace(/\r\n?/gu, "\n")
    .replace(/^---\n[\s\S]*?\n---\n/u, "")
    .replace(/^(```|~~~)[\s\S]*?(^\1[^\n]*$|$(?![\s\S]))/gmu, "")
    .replace(/<!--[\s\S]*?-->/gu, "")
    .replace(/!?\[([^\]\n]*)\]\([^)\n]*\)/gu, "$1")
    .replace(/!?\[([^\]\n]+)\]\[[^\]\n]*\]/gu, "$1")
    .replace(/^\[[^\]\n]+\]:.*$/gmu, "")
    .split("\n")
    .map(plainLine);
  return tidy(lines.join("\n"));
}

function plainLine(line) {
  if (RULE.test(line) || UNDERLINE.test(line) || TABLE_RULE.test(line)) return "";
  const block = /^\s*(#{1,6}\s|[-*+]\s|\d+[.)]\s|>)/u.test(line);
  const said = line
    .replace(/^\s*(>\s?)+/u, "")
    .replace(/^\s*(#{1,6}\s+|[-*+]\s+(\[[ xX]\]\s+)?|\d+[.)]\s+)/u, "")
    .replace(/\s+#+\s*$/u, "")
    .replace(/<\/?[a-z][^>\n]*>/giu, "")
    .replace(/(\*\*\*|\*\*|\*|~~)(?=\S)([^\n]*?\S)\1/gu, "$2")
    .replace(/(?<![\p{L}\p{N}])(___|__|_)(?=\S)([^\n]*?\S)\1(?![\p{L}\p{N}])/gu, "$2")
    .replace(/`+([^`\n]+)`+/gu, "$1")
    .replace(/\|/gu, " ")
    .replace(/\\([\\`*_{}[\]()#+\-.!>~|])/gu, "$1");
  return block ? `\n${said}\n` : said;
}
