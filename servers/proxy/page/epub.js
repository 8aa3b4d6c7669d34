// The chapters of an EPUB book: its container, its package's spine, and the text of each page.

import { Unzip } from "./zip.js";

const CONTAINER = "META-INF/container.xml";
const MOST_PAGES = 2000;
const MOST_PAGE_BYTES = 5_000_000;
const MOST_BOOK_CHARS = 20_000_000;
const BLOCKS = "p,h1,h2,h3,h4,h5,h6,li,blockquote,div,section,article,tr,dt,dd,pre,figcaption,hr,br";
const NOT_READ = "script,style,nav,svg,math,head,audio,video,rt,rp";

/** {title, chapters: [{title, text}]} of a Blob. Throws a sentence where it cannot be read. */
export async function bookOf(blob) {
  const zip = await Unzip.open(blob).catch((error) => {
    throw new Error(`This is no EPUB book. ${error.message}`);
  });
  const opf = await packageOf(zip);
  const chapters = [];
  let chars = 0;
  for (const path of opf.pages.slice(0, MOST_PAGES)) {
    const chapter = pageOf(await zip.text(path, MOST_PAGE_BYTES), chapters.length + 1);
    if (chapter.text) chapters.push(chapter);
    chars += chapter.text.length;
    if (chars > MOST_BOOK_CHARS) throw new Error("The book is too long: more than 20 million characters.");
  }
  if (chapters.length === 0) throw new Error("There is no text in the book: it may be pictures, or locked.");
  return { title: opf.title, chapters };
}

async function packageOf(zip) {
  if (!zip.names.includes(CONTAINER)) throw new Error("This is no EPUB book: it has no container.");
  const container = xml(await zip.text(CONTAINER, MOST_PAGE_BYTES));
  const path = first(container, "rootfile")?.getAttribute("full-path");
  if (!path) throw new Error("This is no EPUB book: its container names no package.");
  const opf = xml(await zip.text(path, MOST_PAGE_BYTES));
  const items = new Map(all(opf, "item").map((item) => [item.getAttribute("id"), item.getAttribute("href")]));
  const hrefs = all(opf, "itemref").map((reference) => items.get(reference.getAttribute("idref")));
  const named = new Set(zip.names);
  const pages = hrefs.filter(Boolean).map((href) => resolved(path, href)).filter((page) => named.has(page));
  return { title: first(opf, "title")?.textContent.trim() ?? "", pages };
}

/** A path in the archive, as the file at `base` names it. */
export function resolved(base, href) {
  const path = new URL(href, `https://book/${base.split("/").map(encodeURIComponent).join("/")}`).pathname;
  return decodeURIComponent(path.slice(1));
}

/** {title, text} of a page of XHTML. */
export function pageOf(source, number) {
  const page = parsed(source);
  for (const element of page.querySelectorAll(NOT_READ)) element.remove();
  for (const block of page.querySelectorAll(BLOCKS)) {
    block.before("\n\n");
    block.after("\n\n");
  }
  const heading = page.querySelector("h1,h2,h3")?.textContent.replace(/\s+/gu, " ").trim();
  const text = (page.querySelector("body") ?? page.documentElement).textContent;
  return { title: heading || `Part ${number}`, text: tidy(text) };
}

/** Paragraphs apart by a blank line, each in one line. */
export function tidy(text) {
  const paragraphs = text.split(/\n\s*\n/u).map((each) => each.replace(/\s+/gu, " ").trim());
  return paragraphs.filter(Boolean).join("\n\n");
}

/** As HTML, which forgives; XHTML differs by elements that close themselves. Nothing in it is run or fetched,
 * and without its styles the page's policy has nothing to object to.
 */
function parsed(source) {
  const plain = source
    .replace(/<(style|script)\b[^>]*\/>/giu, "")
    .replace(/<(style|script)\b[\s\S]*?<\/\1\s*>/giu, "")
    .replace(/\sstyle\s*=\s*("[^"]*"|'[^']*')/giu, "")
    .replace(/<((?!(?:br|hr|img|meta|link|col|wbr)\b)[a-z][\w:]*)((?:\s[^<>]*?)?)\/>/giu, "<$1$2></$1>");
  return new DOMParser().parseFromString(plain, "text/html");
}

function xml(source) {
  const found = new DOMParser().parseFromString(source, "application/xml");
  if (found.querySelector("parsererror")) throw new Error("The book's table of contents cannot be read.");
  return found;
}

function all(parent, name) {
  return [...parent.getElementsByTagNameNS("*", name)];
}

function first(parent, name) {
  return all(parent, name)[0];
}
