// The bar of the player: play, pause and stop, where it is and how fast; and what can be downloaded.

import { FORMATS } from "./download.js";
import { element, field, icon, ICONS } from "./element.js";
import { clock } from "./scores.js";
import { Waveform } from "./waveform.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];
/** What the one button does in each state. */
const TOGGLES = { idle: "Play", playing: "Pause", paused: "Resume" };
const STEP_S = 0.1;
const ARROW_S = 3;
const PAGE_S = 15;

/**
 * Events: `toggle`, `stop`, `seek` with seconds, `speed` with a factor, `download` with {format, part}, and
 * `drop` where it is not wanted any more.
 */
export class Transport extends EventTarget {
  #heard = "";
  #expected = 0;

  constructor() {
    super();
    const tell = (name, detail = null) => this.dispatchEvent(new CustomEvent(name, { detail }));
    this.toggle = element("button", { type: "button", class: "primary", onclick: () => tell("toggle") });
    const stop = { type: "button", class: "stop", onclick: () => tell("stop") };
    this.stop = element("button", stop, icon(ICONS.stop), "Stop");
    this.slider = element("input", { type: "range", min: "0", max: "0", step: String(STEP_S), value: "0" });
    this.slider.setAttribute("aria-label", "Position");
    this.slider.addEventListener("input", () => tell("seek", Number(this.slider.value)));
    this.slider.addEventListener("keydown", (event) => this.#byKey(event, tell));
    this.canvas = element("canvas", { class: "wave", "aria-hidden": "true" });
    this.canvas.addEventListener("click", (event) => tell("seek", this.#under(event)));
    this.waveform = new Waveform(this.canvas);
    this.time = element("span", { class: "number quiet-text" }, "0:00");
    this.made = element("span", { class: "quiet-text" }); // silent: it changes with every sentence
    this.state = element("span", { class: "quiet-text", role: "status" });
    this.speed = chooser(SPEEDS.map((each) => [String(each), `${each} ×`]), "1");
    this.speed.setAttribute("aria-label", "Playback speed");
    this.speed.addEventListener("change", () => tell("speed", Number(this.speed.value)));
    this.root = this.#built(tell);
    this.show("idle");
  }

  /** idle, playing, or paused. The focus stays in the bar. */
  show(state) {
    const picture = state === "playing" ? ICONS.pause : ICONS.play;
    this.toggle.replaceChildren(icon(picture), TOGGLES[state]);
    if (state === "idle" && this.stop === document.activeElement) this.toggle.focus();
    this.stop.hidden = state === "idle";
  }

  /** One line on what is going on: `made` is only to be seen, `state` is said to screen readers too. */
  tell({ made, state }) {
    if (this.made.textContent !== made) this.made.textContent = made;
    if (this.state.textContent !== state) this.state.textContent = state;
  }

  /** What there is: of `expected` seconds so many can be heard. */
  track(track, expected) {
    this.#expected = expected;
    this.slider.max = expected.toFixed(1);
    this.#heard = "";
    this.waveform.show(track, expected);
  }

  /** Touches the page only where something shows. */
  at(seconds) {
    this.waveform.at(seconds);
    const heard = `${clock(seconds)} / ${clock(this.#expected)}`;
    if (Math.abs(Number(this.slider.value) - seconds) >= STEP_S) this.slider.value = seconds.toFixed(1);
    if (heard === this.#heard) return;
    this.#heard = heard;
    this.time.textContent = heard;
    this.slider.setAttribute("aria-valuetext", `${clock(seconds)} of ${clock(this.#expected)}`);
  }

  #built(tell) {
    const get = () => tell("download", { format: this.format.value, part: this.part.value });
    this.part = chooser([["all", "The whole text"], ["one", "This sentence"]], "all");
    this.format = chooser(FORMATS, "wav");
    this.get = element("button", { type: "button", onclick: get }, icon(ICONS.down), "Download");
    this.progress = element("progress", { max: 1, hidden: true, "aria-label": "Made for the download" });
    const drop = { type: "button", hidden: true, onclick: () => tell("drop") };
    this.cancel = element("button", drop, "Cancel the download");
    const choices = [field("Part", this.part), field("Format", this.format)];
    this.files = element("div", { class: "stack" }, element("div", { class: "choices" }, choices),
      this.get, this.progress, this.cancel);
    this.row = element("div", { class: "row" }, this.toggle, this.stop, this.time, this.speed,
      this.made, this.state);
    return element("div", { class: "bar stack tight transport" },
      element("div", { class: "timeline" }, this.canvas, this.slider), this.row);
  }

  /** The arrows of a range move by its step, which is too little to be heard. */
  #byKey(event, tell) {
    const seconds = { ArrowLeft: -ARROW_S, ArrowDown: -ARROW_S, ArrowRight: ARROW_S, ArrowUp: ARROW_S,
      PageDown: -PAGE_S, PageUp: PAGE_S }[event.key];
    if (seconds === undefined) return;
    event.preventDefault();
    tell("seek", Math.max(0, Number(this.slider.value) + seconds));
  }

  #under({ offsetX }) {
    return (offsetX / this.canvas.clientWidth) * this.#expected;
  }
}

function chooser(choices, value) {
  const options = choices.map(([each, label]) => element("option", { value: each }, label));
  const select = element("select", {}, options);
  select.value = value;
  return select;
}
