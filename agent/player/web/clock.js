import {Timeline} from './timeline.js';

const BURST = 8;
const SOON = 1000;
const SELDOM = 10_000;
const SLOW = 20; // ms of a round trip that says little

// A Clock keeps the agent's two timelines, in milliseconds since the Unix epoch: civil is the time of day, playout the time that screens
// agree on. It learns how far they are from the browser's monotonic clock by asking, and never looks at the browser's own date, which may
// be wrong and may jump.
export class Clock {
  civil = new Timeline();
  playout = new Timeline();
  // quality says how well the time is known: {roundTrip, spread, drift, error, at}; null until it was measured.
  quality = null;
  // trusted tells whether the agent trusts its time of day.
  trusted = false;
  #send;
  #timer = 0;
  #asked = null; // the question on its way: {id, at}
  #answers = []; // of the present burst
  #id = 0;
  #wait = SOON;

  // send is called with each question, and with the quality after each burst.
  constructor(send) {
    this.#send = send;
  }

  // words are the quality for people.
  get words() {
    if (!this.quality) return 'no time from the agent';
    const {roundTrip, spread, drift, error, at} = this.quality;
    const age = (performance.now() - at) / 1000;
    return `clock ± ${error.toFixed(2)} ms (round trip ${roundTrip.toFixed(2)}, spread ${spread.toFixed(2)} ms, drift ${drift.toFixed(1)} ppm, ${age.toFixed(0)} s ago)`;
  }

  // hello takes a first, rough time, and starts to ask for better ones. Once there is one, it goes on until then.
  hello({now, playout}) {
    const at = performance.now();
    this.civil.begin(at, now);
    this.playout.begin(at, playout);
    this.#wait = SOON;
    this.#burst();
  }

  // answer takes the agent's answer to a question.
  answer({id, now, playout}) {
    if (id !== this.#asked?.id) return;
    const at = performance.now();
    this.#answers.push({at, now, playout, roundTrip: at - this.#asked.at});
    this.#asked = null;
    if (this.#answers.length < BURST) this.#ask();
    else this.#settle();
  }

  // settle takes what a burst has shown: the quickest exchange has waited least on either way, so that the middle of it is closest to
  // the moment of the stamp.
  #settle() {
    const best = this.#answers.reduce((a, b) => (a.roundTrip <= b.roundTrip ? a : b));
    const offsets = this.#answers.map(({at, now, roundTrip}) => now + roundTrip / 2 - at);
    const error = best.roundTrip / 2;
    const middle = best.at - error;
    const fine = error < SLOW / 2 || !this.quality;
    const expected = [[this.civil, best.now], [this.playout, best.playout]].map(([line, now]) => line.measure(middle, now, error, fine));
    this.#wait = fine && expected.every(Boolean) ? Math.min(2 * this.#wait, SELDOM) : SOON;
    this.quality = {
      roundTrip: best.roundTrip, spread: Math.max(...offsets) - Math.min(...offsets), drift: this.playout.drift * 1e6,
      error: error + Math.max(this.civil.left(best.at), this.playout.left(best.at)), at: best.at,
    };
    const page = document.documentElement.dataset;
    page.clock = 'agent';
    page.clockError = this.quality.error.toFixed(3);
    const {roundTrip, spread, drift} = this.quality;
    this.#send({type: 'clock', round_trip: roundTrip, spread, drift, error: this.quality.error});
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#burst(), this.#wait);
  }

  #burst() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#burst(), SELDOM); // if an answer is lost
    this.#answers = [];
    this.#ask();
  }

  #ask() {
    this.#asked = {id: ++this.#id, at: performance.now()};
    this.#send({type: 'time', id: this.#asked.id});
  }
}
