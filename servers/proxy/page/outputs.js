// The two ways in which a browser plays samples: an AudioWorklet, and buffers scheduled one after the other.

import { Source } from "./source.js";

/** The worklet's thread: it goes on whatever the page does. Exists in secure contexts only. */
export class WorkletOutput {
  #node;

  static async open(context, report) {
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    return new WorkletOutput(context, report);
  }

  constructor(context, report) {
    const mono = { numberOfInputs: 0, outputChannelCount: [1] };
    this.#node = new AudioWorkletNode(context, "skylark-player", mono);
    this.#node.port.onmessage = ({ data }) => report(data);
    this.#node.connect(context.destination);
  }

  push(samples) {
    this.#node.port.postMessage({ push: samples }, [samples.buffer]);
  }

  flush(position, epoch) {
    this.#node.port.postMessage({ flush: position, epoch });
  }

  setSpeed(speed) {
    this.#node.port.postMessage({ speed });
  }

  finish() {
    this.#node.port.postMessage({ finish: true });
  }

  close() {
    this.#node.disconnect();
  }
}

const BLOCK_S = 0.05;
/** So far ahead is scheduled: a page in the background is woken once a second only. */
const LEAD_S = 0.25;
const HIDDEN_LEAD_S = 2.5;
const EVERY_MS = 40;

/** For pages on plain http. */
export class ScheduledOutput {
  #context;
  #report;
  #source;
  #epoch = 0;
  #nodes = new Set();
  /** Until when there is something to hear, in the context's time. */
  #until = 0;
  #timer;

  constructor(context, report) {
    this.#context = context;
    this.#report = report;
    this.#source = new Source(context.sampleRate);
    this.#timer = setInterval(() => this.#schedule(), EVERY_MS);
  }

  push(samples) {
    this.#source.push(samples);
    this.#schedule();
  }

  flush(position, epoch) {
    this.#silence();
    this.#source.flush(position);
    this.#epoch = epoch;
  }

  /** What is scheduled already is heard as it is. */
  setSpeed(speed) {
    this.#source.setSpeed(speed);
  }

  finish() {
    this.#source.finish();
    this.#schedule();
  }

  close() {
    clearInterval(this.#timer);
    this.#silence();
  }

  #silence() {
    for (const node of this.#nodes) {
      node.onended = null;
      node.stop();
      node.disconnect();
    }
    this.#nodes.clear();
    this.#until = 0;
  }

  #schedule() {
    const lead = document.hidden ? HIDDEN_LEAD_S : LEAD_S;
    const block = new Float32Array(Math.round(BLOCK_S * this.#context.sampleRate));
    while (this.#until < this.#context.currentTime + lead) {
      const position = this.#source.position;
      const count = this.#source.read(block);
      if (count === 0) break;
      this.#start(block.subarray(0, count), position);
    }
    if (this.#until <= this.#context.currentTime) this.#told(this.#context.currentTime, 0);
  }

  #start(samples, position) {
    const { currentTime, sampleRate } = this.#context;
    const at = Math.max(this.#until, currentTime + 0.005);
    const buffer = this.#context.createBuffer(1, samples.length, sampleRate);
    buffer.copyToChannel(samples, 0);
    const node = new AudioBufferSourceNode(this.#context, { buffer });
    node.connect(this.#context.destination);
    node.onended = () => this.#nodes.delete(node);
    node.start(at);
    this.#nodes.add(node);
    this.#until = at + samples.length / sampleRate;
    this.#told(at, this.#source.speed, position);
  }

  #told(at, speed, position = this.#source.position) {
    const ended = speed === 0 && this.#source.ended;
    this.#report({ at, position, speed, ended, epoch: this.#epoch });
  }
}
