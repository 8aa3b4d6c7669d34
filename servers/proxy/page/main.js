// Starts the page: the tabs, the messages, and the module of each tab.

import { api } from "./api.js";
import { element, icon, ICONS } from "./element.js";
import { keep } from "./keep.js";
import { turn } from "./slices.js";
import { machineAt } from "./status.js";

const TABS = ["speak", "listen", "align", "machine"];
const SHOWN_MS = 8000;
const NOTHING_KEPT =
  "This browser keeps nothing for Skylark: what you make here is gone after a reload. " +
  "A window that is not private would keep it.";

const tabs = TABS.map((name) => document.getElementById(`tab-${name}`));
const machine = machineAt(undefined, { before: () => api.visitor() });

/* ---- Files dropped where nobody takes them ---- */

/** Without this the browser would open the file in place of the page. */
for (const name of ["dragover", "drop"]) {
  addEventListener(name, (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
}

/* ---- Messages ---- */

/**
 * Shows a sentence under the top and says it to screen readers. What is bad stays until it is put away, the
 * rest goes after some seconds; the same sentence is not shown twice at once.
 * @param {string} message
 * @param {{kind?: "info"|"good"|"warn"|"bad", action?: {label: string, run: function(): void}}} [how]
 * @returns {function(): void} takes it away
 */
function say(message, { kind = "info", action = null } = {}) {
  const toasts = document.getElementById("toasts");
  [...toasts.children].find((toast) => toast.dataset.message === message)?.remove();
  const toast = element("div", { class: `toast ${kind}`, "data-message": message });
  const away = () => putAway(toast);
  const doAction = action && (() => (away(), action.run()));
  toast.append(
    element("p", {}, message),
    ...(action ? [button({ class: "quiet small", onclick: doAction }, action.label)] : []),
    button({ class: "icon small quiet", "aria-label": "Put away", onclick: away }, icon(ICONS.close)),
  );
  toasts.append(toast);
  sayAloud(message, kind);
  if (kind !== "bad" && !action) awayLater(toast, away);
  return away;
}

const button = (properties, ...children) => element("button", { type: "button", ...properties }, ...children);

/** The focus that was in it goes to the content, not to nowhere. */
function putAway(toast) {
  if (toast.contains(document.activeElement)) document.getElementById("content").focus();
  toast.remove();
}

function sayAloud(message, kind) {
  const region = document.getElementById(
    kind === "bad" || kind === "warn" ? "said-at-once" : "said-politely",
  );
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = message)); // the same sentence again is a change again
}

/** Not while somebody is at it with the pointer or the keyboard. */
function awayLater(toast, away) {
  let timer = setTimeout(away, SHOWN_MS);
  const stay = () => clearTimeout(timer);
  const go = () => (timer = setTimeout(away, SHOWN_MS));
  toast.addEventListener("pointerenter", stay);
  toast.addEventListener("focusin", stay);
  toast.addEventListener("pointerleave", go);
  toast.addEventListener("focusout", go);
}

/* ---- Tabs ---- */

const asked = () => TABS.find((name) => location.hash === `#${name}`);
const shown = () => TABS.find((name) => !document.getElementById(name).hidden);

function show(name) {
  TABS.forEach((each, index) => {
    const chosen = each === name;
    document.getElementById(each).hidden = !chosen;
    tabs[index].setAttribute("aria-selected", String(chosen));
    tabs[index].tabIndex = chosen ? 0 : -1;
  });
  document.title = `${tabs[TABS.indexOf(name)].textContent} · Skylark`;
}

/** With the arrows one passes tabs by; a click is a step that Back takes back. */
function go(name, { step }) {
  if (name === shown()) return;
  history[step ? "pushState" : "replaceState"](null, "", `#${name}`);
  show(name);
}

function byKey(event) {
  const at = tabs.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  const next = (to + TABS.length) % TABS.length;
  go(TABS[next], { step: false });
  tabs[next].focus();
}

function listenToTabs() {
  tabs.forEach((tab, index) => tab.addEventListener("click", () => go(TABS[index], { step: true })));
  tabs[0].parentElement.addEventListener("keydown", byKey);
  addEventListener("popstate", () => show(asked() ?? shown()));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the hash is the tab's
    document.getElementById("content").focus();
  });
}

/* ---- Start ---- */

async function startTab(name) {
  const root = document.getElementById(name);
  try {
    const module = await import(`./${name}.js`);
    await turn(); // to build it is a task of its own
    await module.start({ root, api, keep, machine, say });
  } catch (error) {
    console.error(error);
    const label = tabs[TABS.indexOf(name)].textContent;
    root.append(
      element(
        "p",
        { class: "notice bad" },
        `${label} could not be started: reload the page. If that does not help, look at the server's log.`,
      ),
    );
  }
}

/** The tab that is seen comes first; the others go on with what they had in hand before a reload. */
async function start() {
  document.getElementById("sign").append(element("skylark-status")); // not before the machine is made
  listenToTabs();
  show(asked() ?? TABS[0]);
  const first = shown();
  await startTab(first);
  await Promise.all(TABS.filter((name) => name !== first).map(startTab));
  if (!(await keep.durable())) {
    say(NOTHING_KEPT, { kind: "warn" });
  }
}

start();
