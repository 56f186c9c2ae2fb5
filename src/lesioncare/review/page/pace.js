// How long it will still take, from the reviewer's own pace.

const KEPT = 15;
const LONGEST = 120_000; // a longer pause was no decision but a coffee

export class Pace {
  constructor() {
    this.gaps = [];
    this.last = null;
  }

  decided(now = Date.now()) {
    if (this.last !== null && now - this.last <= LONGEST) this.gaps = [...this.gaps, now - this.last].slice(-KEPT);
    this.last = now;
  }

  /** "about 4 minutes left", or nothing before three decisions. */
  left(images) {
    if (this.gaps.length < 2 || images <= 0) return "";
    const middle = [...this.gaps].sort((a, b) => a - b)[Math.floor(this.gaps.length / 2)];
    const minutes = Math.round((middle * images) / 60_000);
    if (minutes < 1) return "less than a minute left";
    return minutes < 120 ? `about ${minutes} ${minutes === 1 ? "minute" : "minutes"} left` : `about ${Math.round(minutes / 60)} hours left`;
  }
}
