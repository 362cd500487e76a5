import {sleep} from './timing.js';

const BURST = 8;
const EVERY = 20_000;

// A Clock tells the agent's time, in milliseconds since the Unix epoch. It learns how far that is from the browser's monotonic
// clock by asking, and never looks at the browser's own date, which may be wrong and may jump.
export class Clock {
  #offset = -performance.now(); // until the agent has said more, time starts at zero
  #send;
  #timer = 0;
  #asked = null; // the question on its way: {id, at}
  #best = null; // of the present burst: {roundTrip, offset}
  #left = 0;
  #id = 0;

  // send is called with each question.
  constructor(send) {
    this.#send = send;
  }

  now() {
    return performance.now() + this.#offset;
  }

  // hello takes a first, rough time, and starts to ask for better ones.
  hello(now) {
    this.#offset = now - performance.now();
    this.#burst();
  }

  // answer takes the agent's answer to a question.
  answer({id, now}) {
    if (id !== this.#asked?.id) return;
    const received = performance.now();
    const roundTrip = received - this.#asked.at;
    this.#asked = null;
    // The quickest exchange has waited least on either way, so the middle of it is closest to the moment of the stamp.
    if (!this.#best || roundTrip < this.#best.roundTrip) {
      this.#best = {roundTrip, offset: now + roundTrip / 2 - received};
    }
    if (--this.#left > 0) {
      this.#ask();
    } else {
      this.#offset = this.#best.offset;
      document.documentElement.dataset.clock = 'agent';
    }
  }

  // until waits for a moment of this clock, and gives up early if the clock is set back.
  async until(moment, signal) {
    let left = moment - this.now();
    while (left > 0) {
      await sleep(Math.min(left, 1000), signal);
      const before = left;
      left = moment - this.now();
      if (left > before + 1000) return;
    }
  }

  #burst() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#burst(), EVERY);
    this.#best = null;
    this.#left = BURST;
    this.#ask();
  }

  #ask() {
    this.#asked = {id: ++this.#id, at: performance.now()};
    this.#send({type: 'time', id: this.#asked.id});
  }
}
