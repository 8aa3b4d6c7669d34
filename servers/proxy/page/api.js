// The proxy's API: requests with the visitor's token, errors as sentences, and bodies that are read as they
// come.

/** Where the page's origin, or the path that it is served below, begins. */
const ROOT = new URL("..", import.meta.url);
const ANSWER_S = 30;

/** What went wrong, with a sentence that says what to do. `code` is "unreachable" where nobody answered. */
export class ApiError extends Error {
  /**
   * @param {{code: string, message: string, param?: ?string, status?: number, retryAfterS?: ?number}} fault
   */
  constructor({ code, message, param = null, status = 0, retryAfterS = null }) {
    super(sentence(message));
    Object.assign(this, { name: "ApiError", code, param, status, retryAfterS });
  }
}

/** What a server says, which begins small and has no end, as a sentence. */
export const sentence = (said) =>
  said.charAt(0).toUpperCase() + said.slice(1) + (/[.!?…]$/.test(said) ? "" : ".");

const UNREACHABLE = "The server cannot be reached: look at your connection, and try again.";
const unreachable = () => new ApiError({ code: "unreachable", message: UNREACHABLE });

let asked = null;

/**
 * Who the proxy takes this browser for: {csrf, may_start, has_queue, public, limits}. Asked once, and anew with `fresh`.
 * @param {{fresh?: boolean}} [how]
 */
export function visitor({ fresh = false } = {}) {
  if (fresh || !asked) {
    const asking = json("GET", "/api/visitor");
    asking.catch(() => asked === asking && (asked = null));
    asked = asking;
  }
  return asked;
}

export const api = {
  /**
   * @param {string} path such as "/api/voices"
   * @param {{signal?: AbortSignal, headers?: Object}} [options]
   * @returns {Promise<any>} JSON
   */
  get: (path, options) => json("GET", path, options),
  /**
   * @param {string} path
   * @param {any} body a plain object goes as JSON; FormData, Blob, ArrayBuffer, typed arrays and strings as
   *   they are
   * @param {{signal?: AbortSignal, headers?: Object}} [options]
   * @returns {Promise<any>} JSON
   */
  post: (path, body, options) => json("POST", path, { ...options, body }),
  /** @param {string} path @param {{signal?: AbortSignal}} [options] @returns {Promise<any>} JSON, or null */
  delete: (path, options) => json("DELETE", path, options),
  /** The Response itself, for what is read as it comes or is no JSON; one that says an error is thrown. */
  send,
  visitor,
};

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, headers?: Object, signal?: AbortSignal, keepalive?: boolean, transport?: typeof fetch}}
 *   [options] an abort rejects with AbortError; `transport` is used in place of fetch
 * @returns {Promise<Response>} one that is ok
 * @throws {ApiError}
 */
export async function send(method, path, options = {}) {
  const safe = method === "GET";
  let response = await once(method, path, options, safe ? null : (await visitor()).csrf);
  let fault = response.ok ? null : await faultOf(response);
  if (!safe && fault?.code === "forged_request") {
    response = await once(method, path, options, (await visitor({ fresh: true })).csrf);
    fault = response.ok ? null : await faultOf(response);
  }
  if (fault) throw fault;
  return response;
}

async function once(method, path, { body, headers = {}, signal, keepalive, transport = fetch }, csrf) {
  const [payload, type] = encoded(body);
  const all = { ...(type && { "Content-Type": type }), ...(csrf && { "X-CSRF-Token": csrf }), ...headers };
  try {
    return await transport(new URL(path.replace(/^\//, ""), ROOT), {
      method,
      body: payload,
      headers: all,
      signal,
      keepalive,
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    throw explained(error, signal);
  }
}

function encoded(body) {
  if (body === undefined || body === null) return [undefined, null];
  const plain = Object.getPrototypeOf(body) === Object.prototype || Array.isArray(body);
  return plain ? [JSON.stringify(body), "application/json"] : [body, null];
}

async function json(method, path, options = {}) {
  const limit = method === "GET" ? AbortSignal.timeout(ANSWER_S * 1000) : null;
  const signal =
    limit && options.signal ? AbortSignal.any([limit, options.signal]) : (limit ?? options.signal);
  const response = await send(method, path, { ...options, signal });
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw nonsense(response);
    throw explained(error, signal);
  }
}

/**
 * Aborted on purpose stays AbortError; everything else is a connection that failed or an answer that did not
 * come.
 */
function explained(error, signal) {
  return signal?.aborted && error.name === "AbortError" ? error : unreachable();
}

async function faultOf(response) {
  const told = (await response.json().catch(() => null))?.error;
  if (typeof told?.message !== "string") return nonsense(response);
  const after = Number.parseFloat(response.headers.get("Retry-After"));
  const retryAfterS = Number.isFinite(after) ? after : null;
  return new ApiError({ ...told, status: response.status, retryAfterS });
}

function nonsense(response) {
  const answer = `The server answered ${response.status} and nothing that this page understands`;
  const message = `${answer}: try again in a moment.`;
  return new ApiError({ code: "not_understood", message, status: response.status });
}

/**
 * The objects of a body of JSON lines, each as soon as its line is there.
 * @param {Response} response
 * @returns {AsyncGenerator<any>}
 */
export async function* lines(response) {
  for await (const line of textLines(response)) {
    if (line.trim()) yield JSON.parse(line);
  }
}

/**
 * The events of a body of server-sent events, each as soon as it is whole. `data` is text: JSON.parse it
 * where it is JSON.
 * @param {Response} response
 * @returns {AsyncGenerator<{event: string, data: string, id: string}>}
 */
export async function* events(response) {
  let event = "";
  let data = [];
  let id = "";
  for await (const line of textLines(response)) {
    if (line === "") {
      if (data.length) yield { event: event || "message", data: data.join("\n"), id };
      event = "";
      data = [];
      continue;
    }
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (name === "event") event = value ?? "";
    else if (name === "data") data.push(value ?? "");
    else if (name === "id") id = value ?? "";
  }
}

/** Lines that end in LF, CR or CR LF; UTF-8 that is split between chunks is put together. */
async function* textLines(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const cut = new Lines();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw error.name === "AbortError" ? error : unreachable();
      });
      yield* cut.add(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      if (done) break;
    }
    yield* cut.end();
  } finally {
    // Whoever stops reading ends the request; one that has ended cannot be cancelled.
    reader.cancel().catch(() => {});
  }
}

/** Cuts text into lines as it comes. Only what is new is looked through, so that a line may be long. */
class Lines {
  #begun = "";
  #cr = "";

  /** A CR at the very end waits for what follows: it may be half of CR LF. */
  add(text) {
    if (!text) return [];
    const held = text.endsWith("\r") ? "\r" : "";
    const parts = (this.#cr + (held ? text.slice(0, -1) : text)).split(/\r\n|\n|\r/);
    this.#cr = held;
    parts[0] = this.#begun + parts[0];
    this.#begun = parts.pop();
    return parts;
  }

  end() {
    return this.#begun || this.#cr ? [this.#begun] : [];
  }
}
