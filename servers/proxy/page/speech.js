// One text over /api/speech: its samples and words as they come, over broken connections too.

import { ApiError, api, events } from "./api.js";

/** A connection is tried again so often without anything new, after so many milliseconds. */
const PAUSES_MS = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000];
/** What passes by itself, if not soon: another one is asked only after a while. */
const BUSY = ["engine_unavailable", "queue_full", "too_many_streams"];
/** Nobody is there who could speak, and who comes by himself. */
const AWAY = new Set(["machine_off", "upstream_unreachable", "unreachable", ...BUSY]);
/** What passes soon. */
const PASSING = new Set(["unreachable", "broken_off", ...BUSY]);
/** A server that dies in this moment fails once; one that is none of ours does so each time. */
const MOST_BROKEN = 3;
const NO_STREAM =
  "What answered is no speech: tell whoever runs this page that its server_url leads to something else.";

/** Whether the machine, or the way to it, has to be waited for. */
export function isAway(error) {
  return error instanceof ApiError && AWAY.has(error.code);
}

/** How often in a row it is worth asking again. */
function triesAfter(error) {
  if (!(error instanceof ApiError)) return 0;
  if (PASSING.has(error.code)) return PAUSES_MS.length;
  return error.code === "upstream_failed" ? MOST_BROKEN : 0;
}

/**
 * Yields {samples: Int16Array, rate, words, position, attempt}: `position` is the sample after the last one,
 * `words` are those that are known since. The last one is {done: true, words, finishReason} with all words.
 *
 * `body` is that of /v1/audio/speech less its format, `key` the request's name: what breaks off is asked for
 * again by it, from the sample that is missing. Nothing is yielded twice. Throws ApiError, or AbortError.
 * `attempt` is that of the samples before `from`. Where the server has begun the text again since,
 * {begunAgain: true} says that they are void, and all of the other attempt's follow.
 * `onJob(id)` is told the job as soon as it is known; `pause(ms)` waits between two requests.
 */
export async function* spoken({ body, key, signal, onJob = () => {}, pause = wait, from = 0, attempt }) {
  let had = { position: from, attempt };
  let failures = 0;
  for (;;) {
    try {
      for await (const piece of once({ body, key, from: had.position, signal, onJob })) {
        failures = 0;
        if (isOfAnother(piece, had)) throw new BegunAgain();
        if (!piece.done) had = piece;
        yield piece;
        if (piece.done) return;
      }
      throw new ApiError({ code: "broken_off", message: "The speech broke off: press Speak to go on." });
    } catch (error) {
      if (error instanceof BegunAgain) {
        had = { position: 0 };
        yield { begunAgain: true };
        continue;
      }
      if (failures >= triesAfter(error)) throw error;
      await pause(Math.max(PAUSES_MS[failures], (error.retryAfterS ?? 0) * 1000), signal);
      failures += 1;
    }
  }
}

/** What comes now does not go on what came before it. */
class BegunAgain extends Error {}

/** An attempt that is not told is taken for the same. */
function isOfAnother(piece, had) {
  const told = piece.attempt !== undefined && had.attempt !== undefined;
  return told && had.position > 0 && piece.attempt !== had.attempt;
}

async function* once({ body, key, from, signal, onJob }) {
  const response = await api.send("POST", `/api/speech${from ? `?from=${from}` : ""}`, {
    body: { ...body, response_format: "pcm", stream_format: "sse" },
    headers: { "Idempotency-Key": key, Accept: "text/event-stream" },
    signal,
  });
  if (response.headers.get("Content-Type")?.startsWith("application/json")) {
    throw new ApiError({ code: "upstream_failed", message: NO_STREAM });
  }
  onJob(response.headers.get("X-Job-Id"));
  const rate = Number(response.headers.get("X-Sample-Rate"));
  let position = from;
  for await (const { data, id } of events(response)) {
    const event = JSON.parse(data);
    if (event.type === "error") throw new ApiError({ ...event.error, status: 200 });
    if (event.type === "speech.audio.done") {
      const { words = [], finish_reason: finishReason, attempt } = event;
      yield { done: true, words, finishReason, attempt };
      return;
    }
    if (event.type !== "speech.audio.delta") continue;
    const piece = unseen(samplesOf(event.audio), id, position);
    position += piece.length;
    yield { samples: piece, rate, words: event.words ?? [], position, attempt: event.attempt };
  }
}

/** What of the samples comes after `position`; `id` is the position after the last of them. */
function unseen(samples, id, position) {
  const end = id === "" ? position + samples.length : Number(id);
  const start = end - samples.length;
  const message = "A piece of the speech is missing.";
  if (start > position) throw new ApiError({ code: "broken_off", message });
  return samples.subarray(Math.min(samples.length, position - start));
}

function samplesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}

/** Also over when the browser says that it is online again. */
function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const end = (settle) => () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      signal?.removeEventListener("abort", stop);
      settle(signal?.reason);
    };
    const go = end(resolve);
    const stop = end(reject);
    const timer = setTimeout(go, ms);
    addEventListener("online", go);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
  });
}
