// Gives the player what a track has, a little ahead of what is heard, and says which sentence that is.

const AHEAD_S = 20;

export class Feeder {
  #player;
  #kept;
  #track = null;
  /** What is given next: a sentence and a sample in it. */
  #next = { index: 0, sample: 0 };
  /** Which part of what the player has is which sentence's: [{fromS, index, offsetS}]. */
  #parts = [];
  #busy = false;
  #run = 0;
  #finished = true;

  constructor({ player, kept }) {
    this.#player = player;
    this.#kept = kept;
  }

  /** Whether everything was given. */
  get finished() {
    return this.#finished;
  }

  /** {index, offsetS} of what is heard now. */
  get place() {
    const now = this.#player.position;
    const part = this.#parts.findLast(({ fromS }) => fromS <= now) ?? this.#parts[0];
    if (!part) return { index: 0, offsetS: 0 };
    return { index: part.index, offsetS: part.offsetS + Math.max(0, now - part.fromS) };
  }

  /** From that place on, and nothing of what was given before. */
  start(track, place) {
    this.#run += 1;
    this.#track = track;
    this.#finished = false;
    const rate = track.sentences[place.index]?.take.rate ?? 1;
    this.#next = { index: place.index, sample: Math.round(place.offsetS * rate) };
    const fromS = track.secondsOf(place);
    this.#parts = [{ fromS, ...place }];
    this.#player.seek(fromS);
    return this.feed();
  }

  /** Gives what is there, up to some seconds ahead. Throws a sentence where a take is lost. */
  async feed() {
    if (this.#busy || !this.#track || this.#finished) return;
    this.#busy = true;
    try {
      while (this.#player.end - this.#player.position < AHEAD_S && (await this.#step()));
    } finally {
      this.#busy = false;
    }
  }

  /** One piece, or one sentence further. False where it has to wait, or has ended. */
  async #step() {
    const run = this.#run;
    const { index, sample } = this.#next;
    const take = this.#track.sentences[index]?.take;
    if (!take) return this.#finish();
    if (sample < take.length) {
      const samples = await this.#kept.samplesOf(take);
      if (run === this.#run) this.#give(take, samples, sample);
      return true;
    }
    if (!take.complete) return false;
    this.#next = { index: index + 1, sample: 0 };
    this.#parts.push({ fromS: this.#player.end, index: index + 1, offsetS: 0 });
    return true;
  }

  #give(take, samples, from) {
    this.#player.append(samples.slice(from), take.rate);
    this.#next.sample = samples.length;
  }

  #finish() {
    this.#parts.pop(); // the one after the last sentence
    this.#finished = true;
    this.#player.finish();
    return false;
  }
}
