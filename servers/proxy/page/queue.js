// The queue as a table: what runs, what waits, what has just ended; and a button that cancels.

import { element } from "./element.js";
import { duration } from "./status.js";
import { ago } from "./times.js";

const TASKS = { synthesize: "Speak", transcribe: "Listen", align: "Align" };
const KINDS = {
  running: "active",
  queued: "",
  done: "good",
  failed: "bad",
  cancelled: "warn",
  expired: "warn",
};
/** What stands in place of the table: a headline, and what comes of it. */
const NOTHING = [
  "Nothing in hand",
  "Speak a text or drop a recording: it is listed here while it is worked on.",
];
const NOT_SEEN = ["The queue is not seen now", "It is shown as soon as the machine answers."];
const HIDDEN = [
  "The queue cannot be seen from here",
  "Who runs this page can say where it is, by jobs_url in server_config.json.",
];
const COLUMNS = ["Task", "Model", "Status", "Priority", "Progress", "Time"];

/**
 * @param {{cancel: function(object): Promise<void>}} doing
 * @returns {{node: HTMLElement, show: function, tick: function}}
 */
export function queueTable({ cancel }) {
  const body = element("tbody");
  const head = element(
    "tr",
    {},
    COLUMNS.map((name) =>
      element("th", { scope: "col", class: name === "Priority" || name === "Time" ? "number" : null }, name),
    ),
    element("td", {}, element("span", { class: "visually-hidden" }, "Cancel")),
  );
  const table = element("table", { class: "cards", "aria-label": "Queue" }, element("thead", {}, head), body);
  const count = element("p", { class: "quiet-text" });
  const empty = element("div", { class: "empty", hidden: true });
  const title = element("h3", { tabIndex: -1 }, "Queue");
  const node = element(
    "section",
    { class: "stack tight queue", "aria-label": "Queue" },
    element("div", { class: "row apart" }, title, count),
    table,
    empty,
  );
  const rows = new Map();

  function row(job) {
    if (!rows.has(job.id)) rows.set(job.id, jobRow(job, cancel, title));
    return rows.get(job.id);
  }

  return {
    node,
    /** `hidden` where there is none that could be seen from here. */
    show(queue, { anyone, hidden }) {
      const jobs = queue?.jobs ?? [];
      write(count, countOf(jobs, queue?.waiting ?? 0));
      table.hidden = jobs.length === 0;
      empty.hidden = jobs.length > 0;
      if (jobs.length === 0) sayEmpty(empty, queue ? NOTHING : hidden ? HIDDEN : NOT_SEEN);
      jobs.forEach((job) => row(job).show(job, anyone));
      arrange(
        body,
        jobs.map((job) => row(job).node),
      );
      for (const id of rows.keys()) if (!jobs.some((job) => job.id === id)) rows.delete(id);
    },
    tick: () => rows.forEach((each) => each.tick()),
  };
}

function sayEmpty(node, [strong, rest]) {
  if (node.firstChild?.textContent !== strong) node.replaceChildren(element("strong", {}, strong), rest);
}

/** Rows stay where they are when their order does, so that what has the focus keeps it. */
function arrange(body, nodes) {
  const wanted = new Set(nodes);
  [...body.children].filter((child) => !wanted.has(child)).forEach((child) => child.remove());
  nodes.forEach(
    (node, index) => body.children[index] !== node && body.insertBefore(node, body.children[index] ?? null),
  );
}

function jobRow(job, cancel, title) {
  const task = TASKS[job.task] ?? job.task;
  const cell = (label, ...children) =>
    element("td", { "data-label": label, class: label.toLowerCase() }, children);
  const status = element("span", { class: "tag" });
  const bar = element("progress", { max: 1, "aria-label": `Progress of ${task}` });
  const percent = element("span", { class: "number small" });
  const progress = cell("Progress", element("div", { class: "bar-cell" }, bar, percent));
  const time = element("td", { "data-label": "Time", class: "time number" });
  const button = element(
    "button",
    { type: "button", class: "quiet small", "aria-label": `Cancel ${task}, ${job.model}` },
    "Cancel",
  );
  const last = element("td", { class: "end" }, button);
  const name = element(
    "th",
    { scope: "row" },
    task,
    job.own ? element("span", { class: "own" }, "yours") : null,
  );
  const priority = element(
    "td",
    { "data-label": "Priority", class: "priority number" },
    String(job.priority),
  );
  const node = element(
    "tr",
    {},
    name,
    cell("Model", job.model),
    cell("Status", status),
    priority,
    progress,
    time,
    last,
  );
  let now = job;

  button.addEventListener("click", async () => {
    button.disabled = true;
    title.focus(); // the button goes away with the row's end
    await cancel(now);
    button.disabled = false;
  });

  return {
    node,
    show(told, anyone) {
      now = told;
      node.className = isOver(told) ? "ended" : "";
      status.className = `tag ${KINDS[told.status] ?? ""}`;
      write(status, told.status);
      showProgress(progress, bar, percent, told);
      button.hidden = isOver(told) || !(told.own || anyone);
      last.classList.toggle("none", button.hidden);
      this.tick();
    },
    tick: () => write(time, timeOf(now, Date.now() / 1000)),
  };
}

function showProgress(cell, bar, percent, { status, progress }) {
  const runs = status === "running";
  cell.classList.toggle("none", !runs);
  bar.parentElement.hidden = !runs;
  if (typeof progress === "number") bar.value = progress;
  else bar.removeAttribute("value");
  write(percent, typeof progress === "number" ? `${Math.floor(progress * 100)} %` : "");
}

/** Only what is new: what is written again is laid out again. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const isOver = ({ status }) => status !== "running" && status !== "queued";

/** How long a job waits, runs, or took. Pure: times in seconds since 1970. */
export function timeOf(
  { status, created_at: createdAt, started_at: startedAt, finished_at: finishedAt },
  now,
) {
  if (status === "queued") return `waits\u00a0${duration(now - createdAt)}`;
  if (status === "running") return `for\u00a0${duration(now - (startedAt ?? createdAt))}`;
  if (!finishedAt) return "";
  const ended = ago(now - finishedAt);
  return startedAt ? `${ended}, took\u00a0${duration(finishedAt - startedAt)}` : ended;
}

/** Pure. */
export function countOf(jobs, waiting) {
  const running = jobs.filter((job) => job.status === "running").length;
  if (!running && !waiting) return jobs.length ? "Nothing in hand" : "";
  return [running && `${running} running`, waiting && `${waiting} waiting`].filter(Boolean).join(", ");
}
