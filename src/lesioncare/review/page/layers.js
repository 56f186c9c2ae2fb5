// Maps over the image, made by the server on demand.

import { pictureAddress } from "./queue.js";

const MOST = 4096; // pixels of a side, the most that the server sends
const PAUSE = 150; // milliseconds after the last turn of the wheel until a larger picture is asked for

export class Layers {
  constructor(stage, select, complain) {
    this.stage = stage;
    this.select = select;
    this.complain = complain;
    this.names = [""];
    this.now = "";
    this.image = null;
    this.asked = 0;
    this.timer = null;
  }

  offer(names) {
    this.names = ["", ...names];
    names.forEach((name) => this.select.append(new Option(name, name)));
  }

  next() {
    return this.choose(this.names[(this.names.indexOf(this.now) + 1) % this.names.length]);
  }

  choose(name) {
    this.now = name;
    this.select.value = name;
    return this.redraw();
  }

  /** The plain picture of a new image is on the stage; put the map over it, if one is chosen. */
  follow(image) {
    this.image = image;
    if (this.now) this.redraw();
  }

  /** Fetch the picture anew, with the chosen map and as large as the zoom asks. */
  async redraw() {
    const { image, now, stage } = this;
    if (!image) return;
    const turn = ++this.asked;
    const side = Math.max(stage.root.clientWidth, stage.root.clientHeight, Math.min(stage.wanted, MOST));
    const picture = new Image();
    picture.src = pictureAddress(image.number, side, now);
    try {
      await picture.decode();
    } catch {
      this.complain(now ? `The map ${now} cannot be made of this image.` : "The image cannot be loaded any larger now.");
      return;
    }
    if (this.image !== image || this.asked !== turn) return; // the reviewer is faster
    stage.swap(picture, `Image ${image.id}${now && ` under the map ${now}`}`);
    document.body.dataset.layer = now;
  }

  /** After zooming: a larger picture, where the one on the stage is smaller than both image and screen. */
  sharpen() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { picture, size, wanted } = this.stage;
      const pixels = Math.max(picture.naturalWidth, picture.naturalHeight);
      if (pixels > 0 && pixels < Math.min(wanted, Math.max(size.width, size.height), MOST)) this.redraw();
    }, PAUSE);
  }
}
