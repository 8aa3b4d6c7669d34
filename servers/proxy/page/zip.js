// Zip archives: files put into one as they are, and files read out of one. Pure but for DecompressionStream.

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const UTF8_NAMES = 0x0800;
const MOST_BYTES = 0xffffffff;
const LONGEST_COMMENT = 65_535;
const END_BYTES = 22;

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** The CRC-32 of bytes, after those of which it was `sum`. */
export function crc32(bytes, sum = 0) {
  let value = ~sum;
  for (const byte of bytes) value = (value >>> 8) ^ TABLE[(value ^ byte) & 255];
  return ~value >>> 0;
}

/** An archive that grows file by file; what is in it is stored, not compressed. */
export class Zip {
  #parts = [];
  #directory = [];
  #offset = 0;

  /** `bytes` is a Uint8Array. */
  add(name, bytes) {
    const encoded = new TextEncoder().encode(name);
    const about = { sum: crc32(bytes), size: bytes.length, name: encoded, offset: this.#offset };
    const head = header(LOCAL, about);
    this.#offset += head.length + bytes.length;
    if (this.#offset > MOST_BYTES) throw new RangeError("A zip archive has room for 4 GB.");
    // a Blob of its own: the browser may keep it on the disk
    this.#parts.push(head, new Blob([bytes]));
    this.#directory.push(header(CENTRAL, about));
  }

  blob() {
    const size = this.#directory.reduce((sum, entry) => sum + entry.length, 0);
    const end = fields([[4, END], [2, 0], [2, 0], [2, this.#directory.length], [2, this.#directory.length],
      [4, size], [4, this.#offset], [2, 0]]);
    return new Blob([...this.#parts, ...this.#directory, end], { type: "application/zip" });
  }
}

function header(kind, { sum, size, name, offset }) {
  const central = kind === CENTRAL;
  return joined(fields([
    [4, kind], ...(central ? [[2, 20]] : []), [2, 20], [2, UTF8_NAMES], [2, 0], [2, 0], [2, 0x21],
    [4, sum], [4, size], [4, size], [2, name.length], [2, 0],
    ...(central ? [[2, 0], [2, 0], [2, 0], [4, 0], [4, offset]] : []),
  ]), name);
}

/** Little-endian numbers: [bytes, value] each. */
function fields(pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of pairs) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

function joined(first, second) {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

/** What is in an archive that is a Blob: only the files that are asked for are read. */
export class Unzip {
  #blob;
  #entries;

  constructor(blob, entries) {
    this.#blob = blob;
    this.#entries = entries;
  }

  /** Reads the directory. Throws a sentence where it is no zip archive. */
  static async open(blob) {
    const tail = await bytesOf(blob, Math.max(0, blob.size - LONGEST_COMMENT - END_BYTES), blob.size);
    let at = tail.byteLength - END_BYTES;
    while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
    if (at < 0) throw new Error("This is no zip archive, or only a part of one.");
    const start = tail.getUint32(at + 16, true);
    const size = tail.getUint32(at + 12, true);
    if (start + size > blob.size) throw new Error("This is only a part of a zip archive.");
    const directory = await bytesOf(blob, start, start + size);
    return new Unzip(blob, entriesOf(directory, tail.getUint16(at + 10, true)));
  }

  get names() {
    return [...this.#entries.keys()];
  }

  /** The text of a file. Throws a sentence where there is none, or it is longer than `mostBytes`. */
  async text(name, mostBytes) {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`There is no ${name} in the archive.`);
    if (entry.size > mostBytes) throw new Error(`${name} is too large to be read as text.`);
    const head = await bytesOf(this.#blob, entry.offset, entry.offset + 30);
    if (head.byteLength < 30 || head.getUint32(0, true) !== LOCAL) throw new Error("The archive is damaged.");
    const start = entry.offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
    const packed = this.#blob.slice(start, start + entry.packed);
    return new TextDecoder().decode(await unpacked(packed, entry.method, mostBytes));
  }
}

async function bytesOf(blob, start, end) {
  return new DataView(await blob.slice(start, end).arrayBuffer());
}

function entriesOf(view, count) {
  const entries = new Map();
  let at = 0;
  for (let number = 0; number < count && at + 46 <= view.byteLength; number += 1) {
    if (view.getUint32(at, true) !== CENTRAL) break;
    const length = view.getUint16(at + 28, true);
    const name = new Uint8Array(view.buffer, at + 46, Math.min(length, view.byteLength - at - 46));
    entries.set(new TextDecoder().decode(name), {
      method: view.getUint16(at + 10, true), packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true), offset: view.getUint32(at + 42, true),
    });
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

/** No more than `mostBytes` are ever held, whatever the archive says of itself. */
async function unpacked(packed, method, mostBytes) {
  if (method !== 0 && method !== 8) throw new Error("The archive is packed in a way that is not known here.");
  const inflate = () => packed.stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const stream = method === 8 ? inflate() : packed.stream();
  const parts = [];
  let size = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    size += value.length;
    if (size > mostBytes) {
      await reader.cancel();
      throw new Error("A file in the archive is too large to be read as text.");
    }
    parts.push(value);
  }
}
