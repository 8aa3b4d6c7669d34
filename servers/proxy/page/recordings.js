// The last recordings and what was heard in them, kept by the browser over a reload.

const MOST = 12;
const MOST_BYTES = 200_000_000;

/**
 * @typedef {Object} Entry one recording and what has become of it
 * @property {string} id
 * @property {"transcribe"|"align"} task
 * @property {string} name of the file
 * @property {number} bytes
 * @property {number} atMs when it was last changed
 * @property {Object<string, string>} fields what is asked for with it
 * @property {string} key the Idempotency-Key of the request
 * @property {"new"|"sent"|"done"|"failed"} state
 * @property {?Object} result the transcript, as it was edited
 */

/**
 * The entries that have to go so that the others are few and small enough: the oldest. Never `keepId`'s.
 * @param {Entry[]} entries
 * @param {string} keepId
 * @returns {Entry[]}
 */
export function tooMany(entries, keepId) {
  const newest = [...entries].sort((one, other) => other.atMs - one.atMs);
  const first = newest.filter((entry) => entry.id === keepId);
  let [count, bytes] = [0, 0];
  return [...first, ...newest.filter((entry) => entry.id !== keepId)].filter((entry) => {
    count += 1;
    bytes += entry.bytes;
    return entry.id !== keepId && (count > MOST || bytes > MOST_BYTES);
  });
}

/** Those of both tabs; an entry and its audio are two records: an edit does not write the audio anew. */
export class Recordings {
  #keep;

  constructor(keep) {
    this.#keep = keep;
  }

  /** @param {string} task @returns {Promise<Entry[]>} the newest first */
  async list(task) {
    const all = await this.#entries();
    return all.filter((entry) => entry.task === task).sort((one, other) => other.atMs - one.atMs);
  }

  /** @returns {Promise<?Blob>} */
  audio = (id) => this.#keep.get("recordings", `audio ${id}`);

  /**
   * Keeps a new one, and forgets the oldest where there is no room.
   * @param {Entry} entry
   * @param {Blob} audio
   * @returns {Promise<boolean>} false for one that is too large to be kept
   */
  async add(entry, audio) {
    if (entry.bytes > MOST_BYTES) return false;
    await this.#keep.put("recordings", `audio ${entry.id}`, audio);
    await this.change(entry);
    // not before the new one is there: where it cannot be kept, none is lost
    for (const old of tooMany(await this.#entries(), entry.id)) await this.delete(old.id);
    return true;
  }

  /** @param {Entry} entry */
  change = (entry) => this.#keep.put("recordings", `entry ${entry.id}`, entry);

  async delete(id) {
    await this.#keep.delete("recordings", `entry ${id}`);
    await this.#keep.delete("recordings", `audio ${id}`);
  }

  async #entries() {
    const all = await this.#keep.all("recordings");
    return all.filter(({ key }) => String(key).startsWith("entry ")).map(({ value }) => value);
  }
}

/** crypto.randomUUID is not there where a page is on plain http. */
export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
