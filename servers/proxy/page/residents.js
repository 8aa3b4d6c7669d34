// The models: which are resident, and with how much memory.

import { element } from "./element.js";

const KINDS = { ready: "good", loading: "active", failed: "bad" };
const NOT_SEEN = "Which models are resident is shown as soon as the machine answers.";
const HIDDEN = "Which models are resident cannot be seen from here.";
const STATES = { ready: "resident", loading: "loading", failed: "failed" };

/** @returns {{node: HTMLElement, show: function(?object, {hidden: boolean}): void}} */
export function residents() {
  const list = element("ul", { class: "rows models" });
  const others = element("p", { class: "quiet-text small" });
  const node = element(
    "section",
    { class: "stack tight", "aria-label": "Models" },
    element("h3", {}, "Models"),
    list,
    others,
  );
  let before = "";

  return {
    node,
    show(queue, { hidden }) {
      const models = queue?.models ?? [];
      const now = JSON.stringify([queue, hidden]);
      if (now === before) return;
      before = now;
      const here = models.filter((model) => model.state in STATES);
      list.replaceChildren(...here.map(row));
      others.textContent = queue ? othersOf(models, here) : hidden ? HIDDEN : NOT_SEEN;
    },
  };
}

function row(model) {
  const memory = [memoryOf(model.vram_mb), model.pinned ? "pinned" : ""].filter(Boolean).join(" · ");
  return element(
    "li",
    { class: "row apart" },
    element("span", { class: "name" }, model.name),
    element("span", { class: `tag ${KINDS[model.state]}` }, STATES[model.state]),
    memory ? element("span", { class: "memory quiet-text small number" }, memory) : null,
  );
}

/** Memory of the GPU in words; nothing where a model takes none. Pure. */
export function memoryOf(mb) {
  if (!mb) return "";
  return mb < 1000 ? `${mb} MB` : `${(mb / 1000).toFixed(1)} GB`;
}

function othersOf(models, here) {
  const rest = models.filter((model) => !here.includes(model)).map((model) => model.name);
  const none = here.length === 0 ? "No model is resident: the first job loads the one it needs. " : "";
  return rest.length ? `${none}Not loaded: ${rest.join(", ")}.` : none.trim();
}
