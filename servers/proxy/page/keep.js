// What the browser keeps over a reload: IndexedDB with a promise for each wish; in memory where it is
// refused.

const NAME = "skylark";

/** One function for each version of the database; never changed once people have it, only added to. */
const UPGRADES = [
  (database) =>
    ["settings", "scripts", "takes", "recordings"].forEach((store) => database.createObjectStore(store)),
  (_, transaction) => {
    const scripts = transaction.objectStore("scripts");
    const book = scripts.get("book"); // of the one script that there was
    book.onsuccess = () => {
      if (book.result) scripts.put(book.result, "current/book");
      scripts.delete("book");
    };
  },
];

/** Nothing could be kept; its message says what to do. */
export class KeepError extends Error {
  constructor(code, message) {
    super(message);
    Object.assign(this, { name: "KeepError", code });
  }
}

const FULL =
  "This browser has no more room for Skylark: delete recordings under Listen, or speak a shorter text.";
const memory = new Map();
let opened = null;

export const keep = {
  /**
   * @returns {Promise<boolean>} whether it survives a reload; false in a private window that refuses
   *   IndexedDB
   */
  durable: async () => (await database()) !== null,
  /**
   * @param {string} store
   * @param {string|number} key
   * @returns {Promise<any>} undefined where there is none
   */
  get: (store, key) => within(store, "readonly", (kept) => kept.get(key)),
  /**
   * @param {string} store
   * @param {string|number} key
   * @param {any} value what structuredClone can copy; Blobs and typed arrays too
   */
  put: (store, key, value) => within(store, "readwrite", (kept) => kept.put(value, key)),
  /** @param {string} store @param {string|number} key */
  delete: (store, key) => within(store, "readwrite", (kept) => kept.delete(key)),
  /**
   * @param {string} store
   * @returns {Promise<(string|number)[]>} in their order
   */
  keys: (store) => within(store, "readonly", (kept) => kept.getAllKeys()),
  /**
   * @param {string} store
   * @returns {Promise<{key: string|number, value: any}[]>} in the order of their keys
   */
  all: async (store) => {
    const [keys, values] = await Promise.all([
      keep.keys(store),
      within(store, "readonly", (kept) => kept.getAll()),
    ]);
    return keys.map((key, index) => ({ key, value: values[index] }));
  },
};

async function within(store, mode, wish) {
  const open = await database();
  if (!open) return wish(inMemory(store));
  return new Promise((resolve, reject) => {
    const transaction = open.transaction(store, mode);
    const request = wish(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(refused(transaction.error));
    transaction.commit(); // a page that goes hears no more of its request, and would not end it by itself
  });
}

function refused(error) {
  if (error?.name === "QuotaExceededError") return new KeepError("full", FULL);
  return new KeepError(
    "not_kept",
    `This browser could not keep it (${error?.message ?? "no reason given"}): reload the page.`,
  );
}

function database() {
  opened ??= open().catch(() => null);
  return opened;
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, UPGRADES.length);
    request.onupgradeneeded = ({ oldVersion }) =>
      UPGRADES.slice(oldVersion).forEach((upgrade) => upgrade(request.result, request.transaction));
    request.onsuccess = () => resolve(watched(request.result));
    request.onerror = () => reject(request.error);
  });
}

/**
 * Another tab with a newer page may change the stores: this one lets go, and opens again when it next wants
 * something.
 */
function watched(database) {
  const letGo = () => {
    database.close();
    opened = null;
  };
  database.onversionchange = letGo;
  database.onclose = letGo;
  return database;
}

/** The face of an object store that is used above, without requests. */
function inMemory(store) {
  if (!memory.has(store)) memory.set(store, new Map());
  const kept = memory.get(store);
  const keys = () => [...kept.keys()].sort(indexedOrder);
  return {
    get: (key) => kept.get(key),
    put: (value, key) => void kept.set(key, structuredClone(value)),
    delete: (key) => void kept.delete(key),
    getAllKeys: keys,
    getAll: () => keys().map((key) => kept.get(key)),
  };
}

function indexedOrder(one, other) {
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return one < other ? -1 : 1;
}
