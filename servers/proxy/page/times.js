// Moments in words: the time of day, and how long ago it was.

const HALF_A_DAY_MS = 12 * 3600 * 1000;

/** Seconds since 1970 as a time of day, with the day where it is not near. */
export function clock(atS, now = Date.now()) {
  const at = new Date(atS * 1000);
  const time = at.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
  const isNear = Math.abs(at - now) < HALF_A_DAY_MS;
  return isNear ? time : `${at.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

/** @param {number} seconds @returns {string} such as "5 min ago" */
export function ago(seconds) {
  if (seconds < 60) return "just now";
  const minutes = Math.round(seconds / 60);
  return minutes < 60
    ? `${minutes}\u00a0min\u00a0ago`
    : `${Math.round(seconds / 3600)}\u00a0h\u00a0ago`;
}
