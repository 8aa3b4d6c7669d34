// The tab Machine: how it is, how far its start is, what it costs, and what it has in hand.

import { sentence } from "./api.js";
import { costs } from "./costs.js";
import { element, icon } from "./element.js";
import { queueTable } from "./queue.js";
import { residents } from "./residents.js";
import { stageList } from "./stages.js";
import { duration, stateKind, stateWord } from "./status.js";
import { clock } from "./times.js";

const POWER = "M12 3v9M6.3 6.8a8 8 0 1 0 11.4 0";
const ANSWERS = ["ready", "busy", "loading"];
const CAN_START = ["off", "failed"];

/** @param {{root: HTMLElement, api: object, machine: import("./status.js").Machine, say: function}} page */
export function start({ root, api, machine, say }) {
  const parts = {
    connection: element("p", { class: "notice bad lost", hidden: true }),
    state: statePanel(() => ask(api, machine, parts, say)),
    queue: queueTable({ cancel: (job) => cancel(api, job, say) }),
    costs: costs(),
    residents: residents(),
  };
  root.append(
    parts.connection,
    element(
      "div",
      { class: "columns" },
      parts.state.node,
      element("div", { class: "side" }, parts.costs.node),
      parts.queue.node,
      element("div", { class: "side" }, parts.residents.node),
    ),
  );
  listen(parts, api, machine);
}

function listen(parts, api, machine) {
  let allowed = { may_start: false, has_queue: true, public: true };
  const status = () => {
    parts.state.show(machine.status, allowed);
    parts.state.tick(machine);
    parts.costs.show(machine.status);
  };
  const queue = () => {
    const seen = ANSWERS.includes(machine.status?.state) ? machine.queue : null; // what was is not what is
    parts.queue.show(seen, { anyone: !allowed.public, hidden: !allowed.has_queue });
    parts.residents.show(seen, { hidden: !allowed.has_queue });
  };
  const both = () => (status(), queue());
  const connection = () => show(parts.connection, machine.connected === false ? lost(machine) : "");
  machine.addEventListener("status", both);
  machine.addEventListener("queue", queue);
  machine.addEventListener("connection", connection);
  setInterval(() => {
    parts.state.tick(machine);
    parts.queue.tick();
    connection();
  }, 1000);
  const known = (visitor) => ((allowed = visitor), both());
  api.visitor().then(known, () => {}); // where nobody answers, it is asked again once somebody does
  machine.addEventListener(
    "connection",
    ({ detail }) => detail.connected && api.visitor().then(known, () => {}),
  );
  both();
  connection();
}

/** @returns {string} what is said while nothing comes from the server */
function lost(machine) {
  const next = machine.againS();
  const again = next < 1 ? "It is being tried again." : `It is tried again in ${duration(next)}.`;
  const seen = machine.status ? " What you see here is how it was before." : "";
  return `The connection to the server is lost. ${again}${seen}`;
}

async function ask(api, machine, parts, say) {
  parts.state.asking(true);
  try {
    const answer = await api.post("/api/start", {});
    machine.startsAs(answer);
    parts.state.focus();
    say("The machine starts. What you send meanwhile waits for it.", { kind: "good" });
  } catch (error) {
    say(error.message, { kind: "bad" });
  } finally {
    parts.state.asking(false);
  }
}

async function cancel(api, job, say) {
  try {
    await api.delete(`/api/queue/${encodeURIComponent(job.id)}`);
    say("Cancelled.", { kind: "good" });
  } catch (error) {
    say(error.message, { kind: "bad" });
  }
}

/* ---- The state ---- */

function statePanel(onStart) {
  const word = element("h3", { class: "tag state", tabIndex: -1 }, "Asking how it is …");
  const message = element("p", { class: "message" });
  const left = element("p", { class: "left number" });
  const stages = stageList();
  const fault = element("p", { class: "notice bad", hidden: true });
  const facts = element("ul", { class: "facts quiet-text small", hidden: true });
  const button = element(
    "button",
    { type: "button", class: "primary", hidden: true, onclick: onStart },
    icon(POWER),
    "Start the machine",
  );
  const why = element(
    "p",
    { class: "hint", hidden: true },
    "Who looks after this page has not allowed its visitors to start the machine.",
  );
  const node = element(
    "div",
    { class: "panel stack now" },
    word,
    message,
    fault,
    left,
    stages.node,
    button,
    why,
    facts,
  );

  function showStart(status, allowed) {
    const could = status.machine !== null && CAN_START.includes(status.state);
    button.hidden = !(could && allowed.may_start);
    why.hidden = !(could && !allowed.may_start);
  }

  return {
    node,
    focus: () => word.focus(),
    asking(busy) {
      button.disabled = busy;
    },
    show(status, allowed) {
      if (!status) return;
      word.className = `tag state ${stateKind(status.state)}`;
      show(word, stateWord(status.state));
      show(message, messageOf(status));
      show(fault, faultOf(status));
      stages.show(status);
      showStart(status, allowed);
      list(facts, factsOf(status));
    },
    tick(machine) {
      const leftS = machine.leftS();
      show(left, leftS === null ? "" : `About ${duration(leftS)} left`);
      stages.tick(machine);
    },
  };
}

/** What else there is to know about it, a sentence each. Pure, but for the clock's words. */
export function factsOf({ state, since, machine }) {
  const facts = [];
  const stopped = state === "off" ? machine?.stopped : null;
  if (state !== "unreachable" && since && !stopped) facts.push(`Since ${clock(since)}.`);
  if (!machine) return facts;
  if (stopped) facts.push(`Stopped at ${clock(stopped.at)} by ${stopped.by}${because(stopped.why)}.`);
  if (state === "starting" && machine.asked_by)
    facts.push(`Asked for by ${machine.asked_by}${because(machine.why)}.`);
  for (const hold of machine.holds ?? [])
    facts.push(`Held by ${hold.by} until ${clock(hold.until)}${because(hold.why)}.`);
  if (machine.waiting)
    facts.push(
      `${pieces(machine.waiting)} of accepted work ${machine.waiting === 1 ? "waits" : "wait"} for it.`,
    );
  return facts;
}

/** What stands in a start's way, or ended it; not where the message says it already. Pure. */
export function faultOf({ message, machine }) {
  const fault = machine?.fault;
  if (!fault || message.includes(fault.message)) return "";
  const again = fault.next_attempt_at ? ` It is tried again at ${clock(fault.next_attempt_at)}.` : "";
  return sentence(fault.message) + again;
}

/** What the proxy says of it, where that is more than the word above it, and who speaks and listens. Pure. */
export function messageOf({ state, message, tts, whisperx }) {
  const told = sentence(message);
  const by = (service, does) =>
    service?.ok && `${service.voice ?? service.model} ${does} (${service.backend})`;
  const serve = [by(tts, "speaks"), by(whisperx, "listens")].filter(Boolean).join(", ");
  return [told !== `${stateWord(state)}.` && told, serve && `${serve}.`].filter(Boolean).join(" ");
}

const because = (why) => (why ? `: ${why}` : "");
const pieces = (count) => (count === 1 ? "One piece" : `${count} pieces`);

/* ---- Writing only what is new ---- */

function show(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === "";
}

function list(node, sentences) {
  const before = [...node.children].map((child) => child.textContent);
  if (before.join("\n") === sentences.join("\n")) return;
  node.replaceChildren(...sentences.map((each) => element("li", {}, each)));
  node.hidden = sentences.length === 0;
}
