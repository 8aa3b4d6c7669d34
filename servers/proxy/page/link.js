// The one line to the proxy on which it tells how the machine is, for all pages of a browser.

const AGAIN_S = [1, 2, 5, 10, 30];

/**
 * A browser has six connections to an origin, whatever number of pages: one of them has this one, for as long
 * as it is open, and tells the others. Where pages cannot know of each other, each has its own.
 * @param {function({name: string, told: object, atMs: number}): void} tell is called with all that comes
 * @returns {{again: function(): void}} tries again at once, if the connection is lost
 */
export function shared(url, before, tell) {
  if (!navigator.locks || !globalThis.BroadcastChannel) return new Connection(url, before, tell);
  const channel = new BroadcastChannel(url);
  const last = new Map();
  let own = null;
  const spread = (news) => {
    last.set(news.name, news);
    channel.postMessage(news);
    tell(news);
  };
  channel.onmessage = ({ data }) => {
    if (!own && data.name) tell(data);
    if (own && data.wish === "all") last.forEach((news) => channel.postMessage(news));
    if (own && data.wish === "again") own.again();
  };
  navigator.locks.request(url, () => {
    own = new Connection(url, before, spread);
    return new Promise(() => {}); // until the page is closed
  });
  channel.postMessage({ wish: "all" });
  return { again: () => (own ? own.again() : channel.postMessage({ wish: "again" })) };
}

/** One EventSource after the other. It gives up at an answer that is no stream, so each is tried but once. */
class Connection {
  #url;
  #before;
  #tell;
  #state = "lost";
  #failures = 0;

  constructor(url, before, tell) {
    [this.#url, this.#before, this.#tell] = [url, before, tell];
    this.again();
  }

  async again() {
    if (this.#state !== "lost") return;
    this.#state = "trying";
    try {
      await this.#before();
      this.#listen();
    } catch {
      this.#lost(); // which is told as what it is
    }
  }

  #listen() {
    const source = new EventSource(this.#url);
    source.onopen = () => this.#found();
    source.onerror = () => (source.close(), this.#lost());
    for (const name of ["status", "queue"]) {
      source.addEventListener(name, (event) => this.#say(name, JSON.parse(event.data)));
    }
  }

  #found() {
    [this.#state, this.#failures] = ["open", 0];
    this.#say("connection", { connected: true, againS: null });
  }

  #lost() {
    const wait = AGAIN_S[Math.min(this.#failures, AGAIN_S.length - 1)];
    [this.#state, this.#failures] = ["lost", this.#failures + 1];
    this.#say("connection", { connected: false, againS: wait });
  }

  #say(name, told) {
    this.#tell({ name, told, atMs: Date.now() });
  }
}
