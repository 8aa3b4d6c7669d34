// Samples that are read block by block, at another tempo where it is asked: pure, no Web Audio.

/** Two windows overlap by half; 30 ms is a few periods of a low voice. */
const WINDOW_S = 0.03;
/** How far a window is moved to where the waves fit. */
const SEEK_S = 0.008;
/** Waves are compared at each fourth sample. */
const STEP = 4;

/**
 * Mono samples in −1…1, pushed in any lengths. `position` is the sample that is read next, from the start of
 * everything. At another `speed` than 1 the pitch stays: windows are laid over each other where their waves
 * fit best (WSOLA, Verhelst and Roelands 1993).
 */
export class Source {
  #samples = new Float32Array(1 << 16);
  /** The position of the first sample in `#samples`, and how many there are. */
  #base = 0;
  #count = 0;
  #hop;
  #seek;
  #block;
  #blockRead;
  /** Where the last window went on, as it stands in the recording. */
  #following = null;

  constructor(rate) {
    this.#hop = Math.round((WINDOW_S * rate) / 2);
    this.#seek = Math.round(SEEK_S * rate);
    this.#block = new Float32Array(this.#hop);
    this.#blockRead = this.#hop;
    this.position = 0;
    this.speed = 1;
    this.finished = false;
  }

  /** The position after the last sample that was pushed. */
  get end() {
    return this.#base + this.#count;
  }

  get ended() {
    return this.finished && this.position >= this.end;
  }

  push(samples) {
    if (this.#count + samples.length > this.#samples.length) this.#makeRoom(samples.length);
    this.#samples.set(samples, this.#count);
    this.#count += samples.length;
  }

  /** Nothing more is pushed. */
  finish() {
    this.finished = true;
  }

  /** Forgets everything: what is pushed next begins at `position`. */
  flush(position) {
    this.#base = position;
    this.#count = 0;
    this.position = position;
    this.finished = false;
    this.#restart();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.#restart();
  }

  /** Fills `out` as far as there are samples, and says how far. */
  read(out) {
    return this.speed === 1 ? this.#copied(out) : this.#stretched(out);
  }

  #restart() {
    this.#following = null;
    this.#blockRead = this.#hop;
    this.position = Math.min(Math.round(this.position), this.end);
  }

  #makeRoom(more) {
    // a window reaches back from the position by as far as it may be moved
    const unused = Math.max(0, Math.floor(this.position) - this.#base - this.#seek - 2 * this.#hop);
    const kept = this.#samples.subarray(Math.min(unused, this.#count), this.#count);
    const needed = kept.length + more;
    const room = needed > this.#samples.length / 2 ? new Float32Array(2 * needed) : this.#samples;
    const length = kept.length;
    if (room === this.#samples) room.copyWithin(0, this.#count - length, this.#count);
    else room.set(kept);
    this.#base += this.#count - length;
    this.#count = length;
    this.#samples = room;
  }

  #copied(out) {
    const from = this.position - this.#base;
    const count = Math.max(0, Math.min(out.length, this.#count - from));
    out.set(this.#samples.subarray(from, from + count));
    this.position += count;
    return count;
  }

  #stretched(out) {
    let written = 0;
    while (written < out.length) {
      if (this.#blockRead === this.#hop && !this.#nextBlock()) break;
      const count = Math.min(out.length - written, this.#hop - this.#blockRead);
      out.set(this.#block.subarray(this.#blockRead, this.#blockRead + count), written);
      this.#blockRead += count;
      written += count;
      this.position = Math.min(this.position + count * this.speed, this.end);
    }
    return written;
  }

  /** The next half window, faded over from where the last one went on. False where samples are missing. */
  #nextBlock() {
    const ideal = Math.round(this.position) - this.#base;
    const reach = ideal + this.#seek + 2 * this.#hop;
    if (reach > this.#count && !this.finished) return false;
    if (ideal >= this.#count) return false;
    const best = this.#following === null ? ideal : this.#bestNear(ideal);
    const old = this.#following === null ? best : this.#following - this.#base;
    for (let n = 0; n < this.#hop; n += 1) {
      const share = n / this.#hop;
      this.#block[n] = (1 - share) * this.#at(old + n) + share * this.#at(best + n);
    }
    this.#following = best + this.#hop + this.#base;
    this.#blockRead = 0;
    return true;
  }

  #at(index) {
    return index >= 0 && index < this.#count ? this.#samples[index] : 0;
  }

  #bestNear(ideal) {
    const old = this.#following - this.#base;
    let best = ideal;
    let most = -Infinity;
    for (let offset = -this.#seek; offset <= this.#seek; offset += 2) {
      let sum = 0;
      for (let n = 0; n < this.#hop; n += STEP) sum += this.#at(old + n) * this.#at(ideal + offset + n);
      if (sum > most) [most, best] = [sum, ideal + offset];
    }
    return best;
  }
}
