// One recording sent and heard: waits for a machine that is off, and goes on after a lost connection.

import { ApiError, lines } from "./api.js";
import { uploading } from "./upload.js";

const TRIES = 8;
const LONGEST_WAIT_S = 120;
const FOUND_S = 30;
const SERVES = ["ready", "busy", "loading"];
const AGAIN = ["unreachable", "engine_unavailable", "queue_full", "upstream_unreachable"];

/**
 * How many seconds to wait before the same is tried again, or null where that is of no use.
 * 1. Not for ever. 2. What a server says when to come back for, unless that is much later. 3. A connection
 * that broke, or a server that is not there for the moment. 4. Every other answer would be the same again.
 * @param {ApiError} error
 * @param {number} attempt the one that failed, from 1
 */
export function retryWaitS(error, attempt) {
  if (!(error instanceof ApiError) || attempt >= TRIES) return null; // 1
  if (error.retryAfterS !== null) return error.retryAfterS <= LONGEST_WAIT_S ? error.retryAfterS : null; // 2
  return isPassing(error) ? Math.min(30, 2 ** (attempt - 1)) : null; // 3, 4
}

/** Whether the same request may still have its reply: its job goes on, and is found by its key. */
export const isPassing = (error) => AGAIN.includes(error.code) || [502, 503].includes(error.status);

/**
 * @typedef {Object} Stage where a recognition is
 * @property {"off"|"sending"|"waiting"|"hearing"|"again"} stage off: the machine has to come first;
 *   again: after a failure
 * @property {?number} [fraction] of what is sent, or heard
 * @property {Object} [status] of the machine, where it is off
 * @property {string} [message] of what failed
 * @property {number} [waitS] before the next attempt
 */

/**
 * @param {{api, machine, path: string, recording: Blob, name: string, fields: Object<string, string>,
 *   key: string, signal: AbortSignal, tell: function(Stage): void, onJob: function(?string): void,
 *   onSegment: function(number, Object): void}} wish the id of its job is told once it is known, and each
 *   segment with its number as soon as it was heard: from 0 again after a lost connection
 * @returns {Promise<Object>} what the server heard
 * @throws {ApiError} AbortError where it was ended
 */
export async function recognised(wish) {
  let [attempt, lost] = [1, 0];
  for (;;) {
    if (await machineServes(wish)) attempt = 1;
    try {
      return await heard(wish);
    } catch (error) {
      // a page that has no connection waits for it as long as one likes: that is no attempt
      const isLost = error.code === "unreachable" && wish.machine.connected === false;
      lost = isLost ? lost + 1 : 0;
      const waitS = retryWaitS(error, isLost ? Math.min(lost, TRIES - 1) : attempt);
      if (waitS === null) throw error;
      if (!isLost) attempt += 1;
      wish.tell({ stage: "again", message: error.message, waitS });
      await pause(waitS, wish);
    }
  }
}

async function heard({ api, path, recording, name, fields, key, signal, tell, onJob, onSegment }) {
  const body = new FormData();
  for (const [field, value] of Object.entries(fields)) body.append(field, value);
  body.append("file", recording, name);
  const response = await api.send("POST", path, {
    body,
    signal,
    headers: { Accept: "application/x-ndjson", "Idempotency-Key": key },
    transport: uploading((fraction) =>
      tell(fraction < 1 ? { stage: "sending", fraction } : { stage: "waiting" }),
    ),
  });
  onJob(response.headers.get("X-Job-Id"));
  for await (const line of lines(response)) {
    if (line.error) throw new ApiError({ ...line.error });
    if (line.result) return line.result;
    if (line.segment) onSegment(line.segment_index, line.segment);
    tell(line.progress === null ? { stage: "waiting" } : { stage: "hearing", fraction: line.progress });
  }
  throw new ApiError({
    code: "unreachable",
    message: "The connection ended before the recording was heard.",
  });
}

/**
 * Until it would answer: at once where nothing is known of it. What refuses the key is not waited for.
 * @returns {Promise<boolean>} whether it had to be waited for
 */
function machineServes({ machine, signal, tell }) {
  let waited = false;
  return new Promise((resolve, reject) => {
    const end = (settle) => {
      machine.removeEventListener("status", look);
      signal.removeEventListener("abort", ended);
      settle();
    };
    const ended = () => end(() => reject(new DOMException("It was ended.", "AbortError")));
    const look = () => {
      const { status } = machine;
      if (!status || SERVES.includes(status.state)) return end(() => resolve(waited));
      if (status.state === "refused")
        return end(() => reject(new ApiError({ code: "refused", message: status.message })));
      waited = true;
      return tell({ stage: "off", status });
    };
    machine.addEventListener("status", look);
    signal.addEventListener("abort", ended);
    if (signal.aborted) ended();
    else look();
  });
}

/** That long, or until the browser or the machine says that it is connected again. */
function pause(seconds, { machine, signal }) {
  return new Promise((resolve, reject) => {
    const over = AbortSignal.timeout(seconds * 1000);
    const end = (settle) => {
      removeEventListener("online", done);
      machine.removeEventListener("connection", connected);
      signal.removeEventListener("abort", ended);
      settle();
    };
    const done = () => end(resolve);
    const connected = ({ detail }) => detail.connected && done();
    const ended = () => end(() => reject(new DOMException("It was ended.", "AbortError")));
    addEventListener("online", done);
    machine.addEventListener("connection", connected);
    over.addEventListener("abort", done);
    signal.addEventListener("abort", ended);
  });
}

/**
 * The job that a request has made: this visitor's first of its task that was not there before. With an
 * Idempotency-Key a job goes on when its client goes away, so who does not want it has to say so.
 * @param {?{jobs: {id: string, task: string, status: string, own: boolean}[]}} queue
 * @param {string} task
 * @param {string[]} before the ids of those that were there
 * @returns {?string} its id
 */
export function newJob(queue, task, before) {
  const found = ownJobs(queue, task).find(
    (job) => !before.includes(job.id) && ["queued", "running"].includes(job.status),
  );
  return found?.id ?? null;
}

/**
 * The id that `look` finds in the queue, now or soon: a job that was sent just now may not be in the one that
 * was told last.
 * @returns {Promise<?string>}
 */
export function soonFound(machine, look) {
  if (look()) return Promise.resolve(look());
  return new Promise((resolve) => {
    const end = () => {
      machine.removeEventListener("queue", told);
      resolve(look());
    };
    const told = () => look() && end();
    machine.addEventListener("queue", told);
    setTimeout(end, FOUND_S * 1000);
  });
}

/** This visitor's jobs of a task, whatever has become of them. */
export const ownJobs = (queue, task) => (queue?.jobs ?? []).filter((job) => job.own && job.task === task);
