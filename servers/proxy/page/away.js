// What is shown of a machine that is not there, and what one can do about it; the speech goes on once it is.

import { element } from "./element.js";

const CAN_START = ["off", "failed"];
const THERE = new Set(["ready", "busy", "loading"]);

/** Calls `onBack` when the machine says that it is there. `root` is where the notice stands. */
export class Away {
  #page;
  #onBack;
  #waits = false;
  #shown = null;

  constructor({ root, api, machine, say }, onBack) {
    this.#page = { root, api, machine, say };
    this.#onBack = onBack;
    machine.addEventListener("status", ({ detail }) => this.#is(detail));
    machine.addEventListener("connection", ({ detail }) => detail.connected && onBack());
  }

  /** It is not there, says `error`. What said before that it is was told earlier. */
  show(error) {
    const { status } = this.#page.machine;
    this.#waits = true;
    if (status && !THERE.has(status.state)) this.#is(status);
    else this.#show(error.message, false);
  }

  /** It is there, or nobody waits for it. */
  hide() {
    this.#waits = false;
    this.#show(null, false);
  }

  #is(status) {
    if (THERE.has(status.state)) this.#onBack();
    else if (this.#waits) this.#show(status.message, status.state === "starting");
  }

  #show(message, coming) {
    const shown = message && `${message}|${coming}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#page.root.replaceChildren();
    if (message === null) return;
    const goesOn = element("p", {}, `${message} The speech goes on by itself once it is there.`);
    const box = element("div", { class: "notice warn stack tight" }, goesOn);
    this.#page.root.append(box);
    const { status } = this.#page.machine;
    if (!coming && status?.machine && CAN_START.includes(status.state)) this.#offerStart(box);
  }

  async #offerStart(box) {
    // who cannot be asked cannot be asked to start either
    const { may_start: may } = await this.#page.api.visitor().catch(() => ({ may_start: false }));
    if (!may) return;
    const press = { type: "button", class: "primary", onclick: () => this.#start(button) };
    const button = element("button", press, "Start the machine");
    box.append(element("div", {}, button));
  }

  async #start(button) {
    const { api, machine, say } = this.#page;
    button.disabled = true;
    try {
      machine.startsAs(await api.post("/api/start", {}));
    } catch (error) {
      button.disabled = false;
      say(error.message, { kind: "bad" });
    }
  }
}
