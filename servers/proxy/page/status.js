// How the machine is, and <skylark-status>, a sign of it that any page can embed, with link.js alone:
// <script type="module" src="https://…/page/status.js">.

import { shared } from "./link.js";

const ROOT = new URL("..", import.meta.url).href;

const WORDS = {
  ready: ["Ready", "good"],
  busy: ["Busy", "active"],
  loading: ["Loading", "active"],
  starting: ["Starting", "warn"],
  stopping: ["Stopping", "warn"],
  off: ["Off", "still"],
  failed: ["Failed", "bad"],
  refused: ["Refused", "bad"],
  unreachable: ["Unreachable", "bad"],
};

/** What a machine is once somebody has started it. */
const STARTED = new Set(["starting", "loading", "ready", "busy"]);

/** What each stage of a start is called. */
export const STAGES = {
  capacity: "Finding a machine",
  boot: "Booting",
  image: "Fetching the image",
  model: "Loading the models",
  audio: "First words",
};

/** @param {string} state @returns {string} the state in a word */
export const stateWord = (state) => (WORDS[state] ?? [state])[0];

/** @param {string} state @returns {"good"|"active"|"warn"|"bad"|"still"} */
export const stateKind = (state) => (WORDS[state] ?? [state, "still"])[1];

/** @param {number} seconds @returns {string} such as "1 min 20 s" */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return unbroken(`${whole} s`);
  if (whole < 3600) return unbroken(`${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`);
  const minutes = Math.floor((whole % 3600) / 60);
  return unbroken(`${Math.floor(whole / 3600)} h ${String(minutes).padStart(2, "0")} min`);
}

const unbroken = (text) => text.replaceAll(" ", "\u00a0");

/**
 * The machine as the proxy sees it. Events: "status" (detail: the snapshot of /api/status), "queue" (detail:
 * that of /api/queue), "connection" (detail: {connected, againS}). The last of each can be read: `status`,
 * `queue`, `connected`.
 */
export class Machine extends EventTarget {
  status = null;
  queue = null;
  /** null before the first answer */
  connected = null;
  #link;
  #timer = null;
  #toldAtMs = 0;
  #againAtMs = 0;

  /**
   * @param {string} [base] where the proxy is
   * @param {{before?: function(): Promise<any>}} [how] is done before each connection: the page asks who its
   *   visitor is, so that the connection is that visitor's
   */
  constructor(base = ROOT, { before = async () => {} } = {}) {
    super();
    this.#link = shared(new URL("api/events", base).href, before, (news) => this.#take(news));
    addEventListener("online", () => this.#link.again());
  }

  /** Seconds until it is ready, as it usually is, by the clock since it was told; null of no start. */
  leftS() {
    const told = this.status?.state === "starting" ? this.status.machine?.left_s : null;
    return typeof told === "number" ? Math.max(1, told - this.sinceToldS()) : null;
  }

  /** How old the snapshot is. */
  sinceToldS() {
    return Math.max(0, (Date.now() - this.#toldAtMs) / 1000);
  }

  /** Seconds until the connection is tried again. */
  againS() {
    return Math.max(0, (this.#againAtMs - Date.now()) / 1000);
  }

  /** Takes /machine's answer to a start as news, unless the proxy has had news of that start already. */
  startsAs(machine) {
    if (STARTED.has(this.status?.state)) return;
    const told = { ...this.status, state: machine.state, message: "The machine is starting.", machine };
    this.#take({ name: "status", told, atMs: Date.now() });
  }

  #take({ name, told, atMs }) {
    if (name === "connection") this.#connection(told, atMs);
    else this[name] = told;
    if (name === "status") this.#toldAtMs = atMs;
    this.dispatchEvent(new CustomEvent(name, { detail: told }));
  }

  #connection({ connected, againS }, atMs) {
    clearTimeout(this.#timer);
    this.connected = connected;
    if (connected) return;
    this.#againAtMs = atMs + againS * 1000;
    this.#timer = setTimeout(() => this.#link.again(), this.againS() * 1000);
  }
}

const AT_WORK = ["Ready", "Busy", "Loading"];
const machines = new Map();

/** The one Machine of each proxy: the page and its signs share it, as whoever asks first makes it. */
export function machineAt(base = ROOT, how = {}) {
  const at = new URL(base.endsWith("/") ? base : `${base}/`, location.href).href;
  if (!machines.has(at)) machines.set(at, new Machine(at, how));
  return machines.get(at);
}

const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`
  :host { display: inline-block; font: 500 .9375rem/1.2 var(--sans, system-ui, sans-serif);
    color-scheme: light dark; }
  .pill { display: inline-flex; align-items: center; gap: .5em; min-height: 2rem; padding: 0 .8em;
    border-radius: 1rem; border: 1px solid light-dark(#cdd9dd, #233b45);
    background: light-dark(#fbfdfd, #11222a); color: light-dark(#10242b, #e4eef0);
    white-space: nowrap; font-variant-numeric: tabular-nums; }
  .dot { width: .625em; height: .625em; border-radius: 50%; flex: none;
    background: light-dark(#748d97, #66858f); }
  .good .dot { background: light-dark(#1d6a3b, #7bd394); }
  .active .dot { background: light-dark(#0b6478, #74d2e2); }
  .warn .dot { background: light-dark(#b3700a, #e8b85c); }
  .bad .dot { background: light-dark(#a3242b, #ff958d); }
  .active .dot, .warn .dot { animation: breathe 1.6s ease-in-out infinite alternate; }
  .more:empty { display: none; }
  .more { color: light-dark(#48606a, #9db3bb); font-weight: 400; }
  @keyframes breathe { to { opacity: .35; } }
  @media (prefers-reduced-motion: reduce) { .dot { animation: none !important; } }
  @media (max-width: 60rem) {
    .stage { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  }
  @media (forced-colors: active) { .dot { forced-color-adjust: none; } }
`);

/**
 * A pill with the state of the machine; of one that starts, its stage and the time that is left. `src` is
 * where the proxy is, if not where this file is from. Each snapshot is sent on as the event "statuschange".
 */
class SkylarkStatus extends HTMLElement {
  #machine = null;
  #parts = null;
  #tick = null;
  #listening = null;
  #works = false;

  connectedCallback() {
    this.#parts ??= this.#build();
    this.#machine = machineAt(this.getAttribute("src") ?? ROOT);
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#machine.addEventListener("status", (event) => this.#changed(event.detail), { signal });
    this.#machine.addEventListener("connection", () => this.#show(), { signal });
    this.#tick = setInterval(() => this.#showLeft(), 1000);
    this.#show();
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearInterval(this.#tick);
  }

  #build() {
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [SHEET];
    const span = (name, ...children) => {
      const made = Object.assign(document.createElement("span"), { className: name });
      made.append(...children);
      return made;
    };
    const [word, stage, left] = [span("word"), span("more stage"), span("more left")];
    // The seconds are not in what is told: nobody wants them read out one by one.
    const told = span("told", word, stage);
    told.setAttribute("role", "status");
    left.setAttribute("aria-hidden", "true");
    const pill = span("pill", span("dot"), told, left);
    root.append(pill);
    return { pill, told, word, stage, left };
  }

  #changed(status) {
    this.#show();
    this.dispatchEvent(new CustomEvent("statuschange", { detail: status, bubbles: true, composed: true }));
  }

  #show() {
    const { word, kind, stage } = signOf(this.#machine.status, this.#machine.connected);
    const works = AT_WORK.includes(word); // it goes from one of these to another with each job
    this.#parts.told.setAttribute("aria-live", works && this.#works ? "off" : "polite");
    this.#works = works;
    put(this.#parts.word, word);
    put(this.#parts.stage, stage ? ` ${stage}` : "");
    this.#parts.pill.className = `pill ${kind}`;
    this.title = this.#machine.connected === false ? "" : (this.#machine.status?.message ?? "");
    this.#showLeft();
  }

  #showLeft() {
    const leftS = this.#machine.connected ? this.#machine.leftS() : null;
    put(this.#parts.left, leftS === null ? "" : duration(leftS));
  }
}

/** What the pill says of a snapshot (null: none yet). Pure. */
export function signOf(status, connected) {
  if (connected === false) return { word: "No connection", kind: "bad", stage: "" };
  if (!status) return { word: "Asking", kind: "still", stage: "" };
  const stage = status.state === "starting" ? (STAGES[status.machine?.stage] ?? "") : "";
  return { word: stateWord(status.state), kind: stateKind(status.state), stage };
}

/** Only what is new: a live region says again what is written again. */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

customElements.define("skylark-status", SkylarkStatus);
