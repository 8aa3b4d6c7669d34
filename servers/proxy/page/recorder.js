// The microphone to a wav file, which every server can read.

const RATE_HZ = 16_000;
const HEADER_BYTES = 44;

const TROUBLE = {
  NotAllowedError:
    "This page may not use the microphone: allow it beside the address at the browser's top and try again, " +
    "or drop a recording here.",
  NotFoundError: "There is no microphone: connect one and try again, or drop a recording here.",
  NotReadableError:
    "The microphone gives nothing: close other programs that use it and try again, or drop a recording here.",
};
const INSECURE =
  "A browser gives the microphone only to a page with https, or on its own machine: open the page " +
  "that way, or drop a recording here.";

/** The microphone cannot be used; its message says what to do. */
export class MicrophoneError extends Error {}

/**
 * One recording. Events: "level" (detail: {peak: 0…1, seconds}) some times a second, and "lost" where the
 * microphone is taken away; what was said before is still there then.
 */
export class Recorder extends EventTarget {
  #stream;
  #context = null;
  #chunks = [];
  #samples = 0;

  /** Asks for the microphone and begins. @returns {Promise<Recorder>} @throws {MicrophoneError} */
  static async start() {
    const stream = await microphone();
    const recorder = new Recorder(stream);
    try {
      const { context, source } = listening(stream);
      recorder.#context = context;
      await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
      await context.resume();
      recorder.#listen(source);
    } catch (error) {
      await recorder.#end();
      throw unusable(error);
    }
    return recorder;
  }

  constructor(stream) {
    super();
    this.#stream = stream;
  }

  get seconds() {
    return this.#samples / this.#context.sampleRate;
  }

  /** So many of its wav. */
  get bytesPerS() {
    return 2 * this.#context.sampleRate;
  }

  /** @returns {Promise<Blob>} a wav of all that was said */
  async stop() {
    await this.#end();
    const head = wavHeader(this.#samples, this.#context.sampleRate);
    return new Blob([head, ...this.#chunks], { type: "audio/wav" });
  }

  #listen(source) {
    const capture = new AudioWorkletNode(this.#context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    capture.port.onmessage = ({ data }) => this.#heard(data);
    source.connect(capture);
    for (const track of this.#stream.getTracks()) track.onended = () => this.dispatchEvent(new Event("lost"));
  }

  #heard(chunk) {
    this.#chunks.push(chunk);
    this.#samples += chunk.length;
    const peak = chunk.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 32768;
    this.dispatchEvent(new CustomEvent("level", { detail: { peak, seconds: this.seconds } }));
  }

  async #end() {
    for (const track of this.#stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    await this.#context?.close();
  }
}

async function microphone() {
  if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError(INSECURE);
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  } catch (error) {
    throw TROUBLE[error.name] ? new MicrophoneError(TROUBLE[error.name]) : unusable(error);
  }
}

const unusable = (error) =>
  new MicrophoneError(`The microphone cannot be used (${error.message}): drop a recording here.`);

/** At the rate that models listen at; at the microphone's own where the browser cannot convert (Firefox). */
function listening(stream) {
  try {
    return withSource(new AudioContext({ sampleRate: RATE_HZ }), stream);
  } catch (error) {
    if (error.name !== "NotSupportedError") throw error;
    return withSource(new AudioContext(), stream);
  }
}

function withSource(context, stream) {
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch (error) {
    context.close();
    throw error;
  }
}

/**
 * The 44 bytes before mono samples of 16 bits.
 * @param {number} samples how many follow
 * @param {number} rateHz
 * @returns {ArrayBuffer}
 */
export function wavHeader(samples, rateHz) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  const text = (at, letters) =>
    [...letters].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + 2 * samples, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rateHz, true);
  view.setUint32(28, 2 * rateHz, true); // bytes a second
  view.setUint16(32, 2, true); // bytes of a sample
  view.setUint16(34, 16, true); // bits of one
  text(36, "data");
  view.setUint32(40, 2 * samples, true);
  return view.buffer;
}
