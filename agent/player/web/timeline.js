import {FRAME, nextFrame, sleep} from './timing.js';

const STEP = 100; // ms: what is off by more is set at once
const SLEW = 0.02; // of the elapsed time is what a smaller correction may add or take
const MEMORY = 90_000;
const DRIFT = 0.006; // the agent corrects its clock by no more than 0.005

// A Timeline is a time as a function of the browser's monotonic clock: a straight line, but for corrections. It never goes backwards,
// except by a step.
export class Timeline {
  #at = 0;
  #offset = -performance.now(); // until the agent has said more, time starts at zero
  #slew = 0; // what is to be added gradually
  #begun = false;
  #points = []; // what was measured: {at, offset}
  // drift is by how much the browser's clock is slow, as a fraction.
  drift = 0;
  // steps counts the steps.
  steps = 0;

  now(at = performance.now()) {
    return at + this.#line(at) + this.#slewed(at);
  }

  // local is when a moment comes, by the browser's monotonic clock.
  local(moment) {
    const at = performance.now();
    return at + moment - this.now(at);
  }

  // left is by how much the time is still off what was measured.
  left(at) {
    return Math.abs(this.#slew - this.#slewed(at));
  }

  // begin takes a first, rough time.
  begin(at, now) {
    if (this.#begun) return;
    this.#begun = true;
    this.#set(at, now - at);
    this.#points = []; // it came late, nobody knows how much
  }

  // measure takes that it was now at a moment, give or take error, and tells whether that was to be expected. What isn't fine counts only if
  // the time can't be right.
  measure(at, now, error, fine) {
    const offset = now - at;
    const off = offset - this.#line(at) - this.#slew;
    if (!fine && Math.abs(off) <= error) return false;
    if (Math.abs(off) > STEP) {
      this.#set(at, offset);
      return false;
    }
    const expected = Math.abs(off) < 0.3 + 2 * error;
    if (!expected) this.#points = this.#points.slice(-1);
    this.#points.push({at, offset});
    this.#points = this.#points.filter((point) => at - point.at < MEMORY);
    const first = this.#points[0];
    const present = this.now(at) - at;
    if (first.at < at) this.drift = Math.max(-DRIFT, Math.min((offset - first.offset) / (at - first.at), DRIFT));
    this.#at = at;
    this.#offset = present;
    this.#slew = offset - present;
    return expected;
  }

  // until waits for a moment of this time, and gives up when the time steps.
  async until(moment, signal) {
    const {steps} = this;
    for (let left = moment - this.now(); left > 0 && steps === this.steps; left = moment - this.now()) {
      await sleep(Math.min(left, 1000), signal);
    }
  }

  // frame waits for the frame of the screen that is nearest to a moment, and gives up when the time steps.
  async frame(moment, signal) {
    const {steps} = this;
    await this.until(moment - 3 * FRAME, signal);
    let before = 0;
    let length = FRAME;
    for (let at = performance.now(); this.now(at) < moment - length / 2 && steps === this.steps;) {
      at = await nextFrame(signal);
      if (before) length = Math.min(length, at - before);
      before = at;
    }
  }

  #line(at) {
    return this.#offset + this.drift * (at - this.#at);
  }

  #slewed(at) {
    const most = Math.max(0, at - this.#at) * SLEW;
    return Math.max(-most, Math.min(this.#slew, most));
  }

  #set(at, offset) {
    if (Math.abs(offset + at - this.now(at)) > STEP) this.steps++;
    this.#at = at;
    this.#offset = offset;
    this.#slew = 0;
    this.#points = [{at, offset}];
  }
}
