// The audio thread's part of the player: reads what it was sent, and says how far it is.

import { Source } from "./source.js";

const REPORT_S = 0.1;

/**
 * Takes {push}, {flush, epoch}, {speed} and {finish}. Reports {at, position, speed, ended, epoch}: at the
 * context's time `at` the sample `position` is played, and from there on so many seconds of audio a second.
 */
class PlayerProcessor extends AudioWorkletProcessor {
  #source = new Source(sampleRate);
  #epoch = 0;
  #speed = null;
  #reportedAt = -1;
  #nextFrame = 0;

  constructor(options) {
    super(options);
    this.port.onmessage = ({ data }) => this.#take(data);
  }

  process(inputs, [[out]]) {
    // a thread that was late has left blocks out, and the clock went on: what was said of it is not so
    if (currentFrame !== this.#nextFrame) this.#speed = null;
    this.#nextFrame = currentFrame + out.length;
    const position = this.#source.position;
    const count = this.#source.read(out);
    const speed = count > 0 ? this.#source.speed : 0;
    if (speed !== this.#speed || currentTime - this.#reportedAt >= REPORT_S) this.#report(position, speed);
    if (count > 0 && count < out.length) this.#speed = null;
    return true;
  }

  #take({ push, flush, epoch, speed, finish }) {
    if (flush !== undefined) {
      this.#source.flush(flush);
      this.#epoch = epoch;
    }
    if (push) this.#source.push(push);
    if (speed) this.#source.setSpeed(speed);
    if (finish) this.#source.finish();
    this.#speed = null;
  }

  #report(position, speed) {
    this.#speed = speed;
    this.#reportedAt = currentTime;
    const ended = speed === 0 && this.#source.ended;
    this.port.postMessage({ at: currentTime, position, speed, ended, epoch: this.#epoch });
  }
}

registerProcessor("skylark-player", PlayerProcessor);
