// Talking to the server. Changes go through an outbox in the browser's storage, so that none is lost when the
// server is away or the page is closed; the server keeps a change that comes twice once, by its key.

const PREFIX = `lesioncare ${location.pathname} `;

export class Refused extends Error {}

export async function get(path, query = {}) {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value != null));
  const answer = await fetch(`${path}?${words}`);
  return read(answer);
}

async function read(answer) {
  if (answer.ok) return answer.json();
  const text = await answer.text();
  let detail = text;
  try {
    detail = JSON.parse(text).detail ?? text;
  } catch { /* not json: the text itself */ }
  throw new Refused(String(detail).slice(0, 500));
}

export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Changes on their way: sent one after the other, in order, again and again until the server answers. */
export class Outbox {
  constructor({ sent, refused, state }) {
    this.sent = sent;
    this.refused = refused;
    this.state = state;
    this.seen = new Map(); // of a reviewer and an image, the events that the last answer was the outcome of
    this.count = 0;
    this.memory = new Map();
    this.busy = false;
  }

  /** Keep a change, and send it. `body.seen` is replaced by what the change before it came to. */
  put(path, body) {
    const name = `${PREFIX}${Date.now().toString().padStart(15, "0")} ${(this.count++).toString().padStart(6, "0")}`;
    const text = JSON.stringify({ path, body });
    try {
      localStorage.setItem(name, text);
    } catch {
      this.memory.set(name, text);
    }
    this.flush();
  }

  waiting() {
    const kept = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
    return [...kept, ...this.memory.keys()].sort();
  }

  async flush() {
    if (this.busy) return;
    this.busy = true;
    try {
      for (let names = this.waiting(); names.length > 0; names = this.waiting()) {
        this.state("saving", names.length);
        await this.sendOne(names[0]);
      }
      this.state("saved", 0);
    } catch {
      this.state("waiting", this.waiting().length);
      setTimeout(() => this.flush(), 1000);
    } finally {
      this.busy = false;
    }
  }

  async sendOne(name) {
    const text = localStorage.getItem(name) ?? this.memory.get(name);
    if (text == null) return; // another window has sent it
    const { path, body } = JSON.parse(text);
    const seen = this.seen.get(JSON.stringify([body.reviewer, body.image])) ?? [];
    const newer = body.action && body.action !== "resolve" && Math.max(0, ...seen) > Math.max(0, ...body.seen);
    const full = newer ? { ...body, seen } : body;
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(full),
      keepalive: true,
    });
    if (answer.status === 403 || answer.status >= 500) throw new Error("the server cannot take it now");
    let result = null;
    let problem = null;
    try {
      result = await read(answer);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem = error;
    }
    localStorage.removeItem(name);
    this.memory.delete(name);
    if (problem) {
      this.refused(problem.message, body);
      return;
    }
    const image = "image" in result ? result.image : result;
    if (image) this.seen.set(JSON.stringify([body.reviewer, image.number]), image.seen);
    this.sent(path, body, image);
  }
}
