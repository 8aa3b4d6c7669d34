// Moments in words: the time of day, and how long ago it was.

/** Seconds since 1970 as a time of day, with the day where it is another. */
export function clock(atS, now = new Date()) {
  const at = new Date(atS * 1000);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const sameDay = at.toDateString() === now.toDateString();
  return sameDay ? time : `${at.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

/** @param {number} seconds @returns {string} such as "5 min ago" */
export function ago(seconds) {
  if (seconds < 60) return "a moment ago";
  return seconds < 3600 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}
