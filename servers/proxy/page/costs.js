// What the machine costs, and when it stops by itself; of an appliance that is no rented machine, that it is
// this one.

import { element } from "./element.js";
import { clock } from "./times.js";

const RUNS = ["ready", "busy", "loading", "starting", "stopping"];
const DOLLARS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });

/** @returns {{node: HTMLElement, show: function(?object): void}} */
export function costs() {
  const names = { now: "Per hour now", today: "Today", month: "This month", stops: "Stops at" };
  const values = Object.fromEntries(Object.keys(names).map((name) => [name, element("dd", {}, unknown())]));
  const figures = element(
    "dl",
    { class: "figures" },
    Object.entries(names).map(([name, label]) => element("div", {}, element("dt", {}, label), values[name])),
  );
  const kind = element("p", { class: "quiet-text small" });
  const saved = element("p", { class: "quiet-text small" });
  const title = element("h3", {}, "What it costs");
  const node = element(
    "section",
    { class: "stack costs", "aria-label": "Costs" },
    title,
    figures,
    kind,
    saved,
  );

  return {
    node,
    show(status) {
      if (!status) return;
      const { machine, state } = status;
      node.hidden = !machine && state === "off"; // not this one, and nothing is known of it
      title.textContent = machine ? "What it costs" : "This machine";
      figures.hidden = !machine;
      kind.textContent = machine
        ? kindOf(machine)
        : "Skylark runs on a machine of your own: nothing is rented, and nothing has to be started.";
      kind.hidden = kind.textContent === "";
      saved.textContent = savedBy(machine);
      saved.hidden = saved.textContent === "";
      values.stops.parentElement.hidden = !machine || !RUNS.includes(state); // one that is off does not stop
      if (machine) Object.entries(figuresOf(machine)).forEach(([name, text]) => put(values[name], text));
    },
  };
}

/** The figures of /machine as texts; null where one is not known. Pure. */
export function figuresOf({ state, price_per_hour: hourly, cost, stops_at: stopsAt }) {
  return {
    now: RUNS.includes(state) ? money(hourly) : DOLLARS.format(0),
    today: money(cost?.today),
    month: money(cost?.month),
    stops: stopsAt ? clock(stopsAt) : null,
  };
}

const money = (dollars) => (typeof dollars === "number" ? DOLLARS.format(dollars) : null);

function kindOf({ type, zone, spot }) {
  return [type, spot ? "spot" : null, zone].filter(Boolean).join(" · ");
}

function savedBy(machine) {
  const saved = machine?.cost?.saved_month;
  return saved > 0 ? `Not running has saved ${DOLLARS.format(saved)} this month.` : "";
}

const unknown = () => [
  element("span", { "aria-hidden": "true" }, "—"),
  element("span", { class: "visually-hidden" }, "not known"),
];

function put(node, text) {
  if (text === null) node.replaceChildren(...unknown());
  else if (node.textContent !== text) node.textContent = text;
}
