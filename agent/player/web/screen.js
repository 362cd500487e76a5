import {sleep} from './timing.js';
import './zone.js';

const RETRY = 5000;
const READY = 1000; // milliseconds in which most programmes are prepared
const WAIT = 10_000; // an item that ends within these is let end, before a new generation takes over
const EARLY = 100; // zones are turned to a programme so much before it is on, and wait for the frame

// A <vitrine-screen> shows programmes. A new one is prepared out of sight while the present one plays on, and then all zones turn to it
// at once. A zone that is in both stays as it is, and so does an item that is on in both.
class Screen extends HTMLElement {
  #programme = null; // what was asked for last
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
    if (this.#programme && ['generation', 'presentation', 'anchor'].every((key) => this.#programme[key] === programme[key])) return;
    this.#programme = programme;
    this.#preparing.abort();
    this.#preparing = new AbortController();
    const {signal} = this.#preparing;
    const next = new Map(programme.zones.map((spec) => [spec.id, this.#zoneFor(spec, signal)]));
    let from = this.#boundary(programme);
    try {
      while (!await this.#prepare(programme, next, from)) {
        await sleep(RETRY, signal);
        from = undefined;
      }
      signal.throwIfAborted();
      if (from !== undefined) await sleep(Math.max(0, from - EARLY - performance.now()), signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    await this.#turnTo(programme, next);
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

  // prepare resolves to whether there is anything to show.
  async #prepare(programme, next, from) {
    const {generation, presentation, anchor, timezone, timeline} = programme;
    const ready = await Promise.all(programme.zones.map(({id, playlist, timed, background = programme.background, color}) =>
      next.get(id).prepare({playlist, timed, timeline, anchor, generation, presentation, background, color, timezone}, this.clock, from)));
    return ready.some(Boolean) || ready.length === 0;
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

customElements.define('vitrine-screen', Screen);
