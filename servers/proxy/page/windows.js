// Which script is this window's own: two windows of one browser do not write the same.

import { KeptScripts } from "./kept.js";
import { randomName } from "./takes.js";

/** The script of all windows where the browser has no locks, and of the first one where it has. */
const FIRST = "current";
const OWN = "skylark script";
/** In the session of a window that goes: a copy of one that stays has not got it. */
const GONE = "skylark gone";
/** So many scripts that windows left behind wait for another one. */
const MOST_LEFT = 8;
/** The page that is reloaded lets go of its lock soon. */
const RELOADED_MS = 2000;

/**
 * The name of this window's script, which it holds from now on: the one that it had before a reload, else the
 * one that a window has left last, else a new one. What windows left behind beyond MOST_LEFT is removed.
 * Without locks, as on plain http, or where nothing is kept all windows have the same.
 */
export async function ownScript(keep) {
  if (!navigator.locks || !(await keep.durable())) return FIRST;
  const scripts = new KeptScripts(keep);
  const own = await claimed(scripts);
  sessionStorage.setItem(OWN, own);
  sessionStorage.removeItem(GONE);
  addEventListener("pagehide", () => sessionStorage.setItem(GONE, "yes"));
  addEventListener("pageshow", () => sessionStorage.removeItem(GONE));
  await tidied(scripts);
  return own;
}

async function claimed(scripts) {
  const own = sessionStorage.getItem(OWN);
  const isBack = sessionStorage.getItem(GONE) !== null;
  const how = isBack ? { signal: AbortSignal.timeout(RELOADED_MS) } : { ifAvailable: true };
  if (own && (await isHeld(own, how))) return own;
  for (const { name } of [...(await scripts.all()), { name: FIRST }]) {
    if (await isHeld(name, { ifAvailable: true })) return name;
  }
  const fresh = randomName();
  await isHeld(fresh, {});
  return fresh;
}

const lockOf = (name) => `skylark script ${name}`;

/** Whether this window has got it; it has it then until it is gone. */
function isHeld(name, how) {
  return new Promise((resolve, reject) => {
    const hold = (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    };
    const failed = (error) => (how.signal?.aborted ? resolve(false) : reject(error));
    navigator.locks.request(lockOf(name), how, hold).catch(failed);
  });
}

/** What has no text is not waited for, nor are the oldest where there are many. */
async function tidied(scripts) {
  const { held } = await navigator.locks.query();
  const inUse = new Set(held.map(({ name }) => name));
  const left = (await scripts.all()).filter(({ name }) => !inUse.has(lockOf(name)));
  const surplus = left.filter(({ blank }, index) => blank || index >= MOST_LEFT);
  for (const { name } of surplus) {
    const remove = (lock) => lock && scripts.remove(name);
    await navigator.locks.request(lockOf(name), { ifAvailable: true }, remove);
  }
}
