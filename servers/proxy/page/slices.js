// Long work in short slices, between which the browser draws and answers.

const SLICE_MS = 8;

/** Resolves once the browser has had its turn; also where nobody looks, and timers are slowed down. */
export function turn() {
  if (globalThis.scheduler?.yield) return scheduler.yield();
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (port1.close(), resolve());
    port2.postMessage(null);
  });
}

/**
 * Does `act(item, index)` for each item in order: as many as fit a slice at once, the others later.
 * @param {Array} items
 * @param {function(any, number): void} act
 * @param {function(): boolean} isWanted is asked at the beginning of each slice but the first; false ends it
 * @returns {Promise<boolean>} whether it was done for all
 */
export async function inSlices(items, act, isWanted) {
  let endsMs = performance.now() + SLICE_MS;
  for (const [index, item] of items.entries()) {
    if (performance.now() >= endsMs) {
      await turn();
      if (!isWanted()) return false;
      endsMs = performance.now() + SLICE_MS;
    }
    act(item, index);
  }
  return true;
}
