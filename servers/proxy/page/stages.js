// The stages of a start: each with its time and with what it usually takes.

import { element } from "./element.js";
import { duration, STAGES } from "./status.js";

/**
 * @returns {{node: HTMLElement, show: function(object): void, tick: function(import("./status.js").Machine):
 *   void}}
 */
export function stageList() {
  const node = element("ol", { class: "stages", "aria-label": "Stages of the start", hidden: true });
  let rows = [];

  return {
    node,
    show(status) {
      const stages = status.state === "starting" ? (status.machine?.stages ?? []) : [];
      if (rows.length !== stages.length) {
        rows = stages.map(row);
        node.replaceChildren(...rows.map((each) => each.node));
      }
      node.hidden = stages.length === 0;
      stages.forEach((stage, index) => rows[index].show(stage, 0));
    },
    tick(machine) {
      const stages = machine.status?.state === "starting" ? (machine.status.machine?.stages ?? []) : [];
      stages.forEach((stage, index) => rows[index]?.show(stage, machine.sinceToldS()));
    },
  };
}

function row(stage) {
  const name = STAGES[stage.stage] ?? stage.stage;
  const state = element("span", { class: "visually-hidden" });
  const time = element("span", { class: "time number" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": `${name}: how far` });
  const node = element("li", {}, element("span", { class: "name" }, name, state), time, bar);
  return {
    node,
    show(now, olderS) {
      const { fraction, words } = progressOf(now, olderS);
      node.className = now.state;
      state.textContent = `, ${now.state}`;
      bar.value = fraction;
      time.textContent = words;
    },
  };
}

/**
 * How far a stage is that was told `olderS` ago: a fraction that is 1 only when it is done, and its times.
 * Pure.
 */
export function progressOf({ state, seconds, usual_s: usualS }, olderS) {
  const usually = `usually ${duration(usualS)}`;
  if (state === "waiting") return { fraction: 0, words: usually };
  if (state === "done") return { fraction: 1, words: seconds === null ? "" : duration(seconds) };
  const tookS = (seconds ?? 0) + olderS;
  const words =
    tookS <= usualS ? `${duration(tookS)} of ${duration(usualS)}` : `${duration(tookS)}, ${usually}`;
  return { fraction: Math.min(0.97, tookS / Math.max(usualS, 1)), words };
}
