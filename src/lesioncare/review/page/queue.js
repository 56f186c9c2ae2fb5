// The images to look at, least trusted first: fetched by the page of fifty, the next few loaded beforehand.

import { get } from "./api.js";

const PART = 50;
const AHEAD = 5;
const KEPT = 16;

export class Queue {
  constructor(reviewer, side) {
    this.reviewer = reviewer;
    this.side = side; // a function: pixels of the longer side that the screen can show
    this.filter = { status: "todo" };
    this.items = [];
    this.at = -1;
    this.ended = false;
    this.loaded = new Map();
  }

  async restart(filter) {
    this.filter = filter;
    this.items = [];
    this.at = -1;
    this.ended = false;
    await this.more();
  }

  async more() {
    if (this.ended) return;
    const { items } = this;
    const last = items.at(-1);
    const place = last ? { trust: last.trust, number: last.number } : {};
    const part = await get("api/queue", { ...this.filter, ...place, reviewer: this.reviewer(), limit: PART });
    if (this.items !== items) return; // another filter was chosen meanwhile
    const known = new Set(this.items.map((item) => item.number));
    this.items.push(...part.filter((item) => !known.has(item.number)));
    this.ended = part.length < PART;
  }

  get current() {
    return this.items[this.at] ?? null;
  }

  /** Put an image that the filter does not show into the list, where we are. */
  place(item) {
    const at = this.items.findIndex((one) => one.number === item.number);
    if (at >= 0) return at;
    this.items.splice(Math.max(this.at, 0), 0, item);
    return Math.max(this.at, 0);
  }

  update(image) {
    const item = this.items.find((one) => one.number === image.number);
    if (item) Object.assign(item, { status: image.status, mine: image.mine });
  }

  /** What the page needs to show an image: its boxes, and its picture, decoded. */
  load(number) {
    if (!this.loaded.has(number)) {
      const picture = new Image();
      picture.src = pictureAddress(number, this.side());
      const ready = Promise.all([
        get(`api/images/${number}`, { reviewer: this.reviewer() }),
        picture.decode().then(() => null, () => "The image cannot be shown: it is missing or damaged."),
      ]);
      const loading = ready.then(([image, problem]) => ({ image, picture, problem }));
      this.loaded.set(number, loading);
      // What failed is asked for again the next time: the server may have been away.
      const again = () => this.loaded.get(number) === loading && this.loaded.delete(number);
      loading.then(({ problem }) => problem && again(), again);
    }
    return this.loaded.get(number);
  }

  forget(number) {
    this.loaded.delete(number);
  }

  loadAhead() {
    const next = this.items.slice(this.at + 1, this.at + 1 + AHEAD);
    next.forEach((item) => this.load(item.number));
    const keep = new Set([...next, this.current, this.items[this.at - 1]].map((item) => item?.number));
    for (const number of this.loaded.keys()) {
      if (this.loaded.size <= KEPT) break;
      if (!keep.has(number)) this.loaded.delete(number);
    }
    if (this.at > this.items.length - 2 * AHEAD && !this.ended) return this.more();
    return null;
  }
}

export function pictureAddress(number, side, layer = "") {
  const words = new URLSearchParams({ side: String(side), ...(layer && { layer }) });
  return `pictures/${number}?${words}`;
}
