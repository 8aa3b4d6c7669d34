// A request that tells how much of its body has left: fetch does not, XMLHttpRequest does.

/**
 * What `api.send` takes as `transport` in place of fetch.
 * @param {function(number): void} onSent is told the fraction that was sent, 1 at its end
 * @returns {function(URL, Object): Promise<Response>} there with its headers, its body as it comes
 */
export function uploading(onSent) {
  return (url, options) =>
    new Promise((resolve, reject) => exchange(url, options, { onSent, resolve, reject }));
}

function exchange(url, { method, body, headers, signal }, { onSent, resolve, reject }) {
  const request = new XMLHttpRequest();
  const reply = new Reply(request);
  const end = () => request.abort();
  const failed = (error) => {
    reply.fail(error);
    reject(error);
  };
  request.open(method, url);
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.upload.onprogress = ({ loaded, total }) => onSent(total ? loaded / total : 0);
  request.upload.onload = () => onSent(1);
  request.onreadystatechange = () => {
    if (request.readyState === XMLHttpRequest.HEADERS_RECEIVED) resolve(reply.response());
  };
  request.onprogress = () => reply.pass();
  request.onload = () => reply.end();
  request.onerror = () => failed(new TypeError("The connection was lost."));
  request.onabort = () => failed(new DOMException("The request was ended.", "AbortError"));
  request.onloadend = () => signal?.removeEventListener("abort", end);
  signal?.addEventListener("abort", end);
  request.send(body);
  if (signal?.aborted) end();
}

/** The Response of a request, its body passed on as it grows. */
class Reply {
  #request;
  #controller = null;
  #passed = 0;
  #encoder = new TextEncoder();

  constructor(request) {
    this.#request = request;
  }

  response() {
    const { status, statusText } = this.#request;
    const headers = new Headers();
    for (const line of this.#request.getAllResponseHeaders().trim().split("\r\n")) {
      const [, name, value] = /^([^:]+): ?(.*)$/.exec(line) ?? [];
      if (name) headers.append(name, value);
    }
    const body = new ReadableStream({
      start: (controller) => (this.#controller = controller),
      cancel: () => this.#request.abort(),
    });
    return new Response(status === 204 ? null : body, { status, statusText, headers });
  }

  /** A character that is not whole yet is not in the text of the request. */
  pass() {
    const text = this.#request.responseText;
    if (text.length > this.#passed) this.#controller?.enqueue(this.#encoder.encode(text.slice(this.#passed)));
    this.#passed = text.length;
  }

  end() {
    this.pass();
    this.#controller?.close();
    this.#controller = null;
  }

  fail(error) {
    this.#controller?.error(error);
    this.#controller = null;
  }
}
