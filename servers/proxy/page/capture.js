// The audio thread's part of a recording: hands over what is heard, a sixteenth of a second at a time.

class Capture extends AudioWorkletProcessor {
  #samples = new Int16Array(Math.round(sampleRate / 16));
  #filled = 0;

  process([[channel]]) {
    for (const sample of channel ?? []) this.#add(Math.max(-1, Math.min(1, sample)));
    return true;
  }

  #add(sample) {
    this.#samples[this.#filled] = Math.round(sample * 32767);
    this.#filled += 1;
    if (this.#filled < this.#samples.length) return;
    this.port.postMessage(this.#samples.slice());
    this.#filled = 0;
  }
}

registerProcessor("capture", Capture);
