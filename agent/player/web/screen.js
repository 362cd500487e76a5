import {isElsewhere} from './playlist.js';
import {sleep, within} from './timing.js';
import './zone.js';

const RETRY = 5000;
const READY = 1000; // milliseconds in which most programmes are prepared
const WAIT = 10_000; // an item that ends within these is let end, before a new generation takes over
// Once a zone is ready, how long it waits for one that isn't: what is elsewhere may never answer, and a file takes as long as it may.
const GRACE = {elsewhere: 3000, file: 20_000};
const EARLY = 100; // zones are turned to a programme so much before it is on, and wait for the frame

// A <vitrine-screen> shows programmes. A new one is prepared out of sight while the present one plays on, and then all zones turn to it
// at once; one that waits for what is elsewhere comes later. A zone that is in both stays as it is, and so does an item that is on in both.
class Screen extends HTMLElement {
  #programme = null; // what was asked for last
  #later = null; // what is expected after that
  #on = null; // what is on
  #preparing = new AbortController();
  #zones = new Map(); // what is on, by id

  // clock must be set before the first programme.
  clock = null;

  // reports say what is on in each zone.
  get reports() {
    return [...this.#zones.values()].filter((zone) => zone.shown).map((zone) => zone.report());
  }

  // show turns to a programme; one that is on or on its way already is left alone.
  async show(programme) {
    if (isSame(programme, this.#programme)) return;
    this.#later = null;
    this.#preparing.abort();
    if (isSame(programme, this.#on)) {
      this.#programme = this.#on; // something else was expected
      return;
    }
    const from = this.#boundary(programme);
    await this.#follow(programme, () => from);
  }

  // expect prepares a programme that is on from a moment of the day on, and turns to it then.
  async expect(programme) {
    if (isSame(programme, this.#programme)) return;
    if (this.#programme !== this.#on) {
      this.#later = programme; // what is on its way comes first
      return;
    }
    await this.#follow(programme, () => this.clock.civil.local(programme.since));
  }

  // follow prepares a programme, and turns to it at the time that due gives by the browser's clock; undefined for at once.
  async #follow(programme, due) {
    this.#programme = programme;
    this.#preparing.abort();
    this.#preparing = new AbortController();
    const {signal} = this.#preparing;
    const next = new Map(programme.zones.map((spec) => [spec.id, this.#zoneFor(spec, signal)]));
    const early = programme.zones.length > 0 ? EARLY : 0;
    const left = () => (due() ?? 0) - early - performance.now();
    try {
      while (!await this.#prepare(programme, next, left() > 0 ? due() : undefined, signal)) await sleep(RETRY, signal);
      signal.throwIfAborted();
      while (left() > 0) await sleep(Math.min(left(), 1000), signal); // the clock may step
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    await this.#turnTo(programme, next);
    const later = this.#later;
    this.#later = null;
    if (later && this.#programme === programme) this.expect(later);
  }

  // boundary is when a programme is to take over, by the browser's clock: a new generation of what is on does when the item in the largest
  // zone ends; undefined for at once.
  #boundary(programme) {
    if (!this.#on || this.#on.standby || programme.standby) return undefined;
    if (this.#on.presentation !== programme.presentation || this.#on.anchor !== programme.anchor) return undefined;
    const size = ({w, h}) => w * h;
    const [{id}] = this.#on.zones.toSorted((a, b) => size(b) - size(a));
    const zone = this.#zones.get(id);
    const now = performance.now();
    const end = zone.ends(now);
    if (end < now + READY) return zone.ends(now + READY);
    return end < now + WAIT ? end : undefined;
  }

  // zoneFor is the zone that is there already, or a new one, which goes again if the programme is replaced before it is on.
  #zoneFor(spec, signal) {
    const present = this.#zones.get(spec.id);
    if (present?.rectangle === [spec.x, spec.y, spec.w, spec.h].join()) {
      signal.addEventListener('abort', () => present.discard());
      return present;
    }
    const zone = document.createElement('vitrine-zone');
    zone.place(spec);
    this.append(zone);
    signal.addEventListener('abort', () => {
      if (zone.dataset.state === 'preparing') zone.release();
    });
    return zone;
  }

  // prepare resolves to whether there is anything to show: when all zones are ready, or one is and the others had their time. Those go on.
  async #prepare(programme, next, from, signal) {
    const {generation, presentation, anchor, timezone, timeline} = programme;
    const zones = programme.zones.map(({id, playlist, timed, background = programme.background, color}) => ({
      grace: playlist.some(isElsewhere) ? GRACE.elsewhere : GRACE.file,
      ready: next.get(id).prepare({playlist, timed, timeline, anchor, generation, presentation, background, color, timezone}, this.clock, from),
    }));
    if (zones.length === 0) return true;
    const any = await Promise.any(zones.map(async ({ready}) => await ready || Promise.reject(new Error('nothing works')))).then(() => true, () => false);
    if (any) await Promise.all(zones.map(({ready, grace}) => within(ready, grace, 'late', signal).catch(() => {})));
    return any;
  }

  async #turnTo(programme, next) {
    const old = [...this.#zones.values()].filter((zone) => next.get(zone.dataset.zone) !== zone);
    this.#zones = next;
    this.#on = programme;
    this.style.backgroundColor = programme.background || '#000';
    for (const zone of old) zone.stop();
    const settled = [...next.values()].map((zone, i) => {
      zone.style.zIndex = i + 1;
      return zone.commit();
    });
    this.dataset.generation = programme.generation;
    this.dataset.presentation = programme.presentation;
    this.dispatchEvent(new CustomEvent('turned', {detail: {standby: programme.standby === true}}));
    await Promise.all(settled);
    for (const zone of old) zone.release();
  }
}

function isSame(a, b) {
  return a && b && ['generation', 'presentation', 'anchor', 'timeline'].every((key) => a[key] === b[key]);
}

customElements.define('vitrine-screen', Screen);
