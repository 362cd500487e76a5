import {Layer} from './layer.js';
import {entry, sameItem, slotAt} from './playlist.js';
import {aborted, sleep} from './timing.js';

const RETRY = 5000;
const STILL = 10; // seconds that a picture is on if nobody said how long
// How long what is loaded from elsewhere is kept from turn to turn, in milliseconds: news are news, and a web page may have crashed.
const FRESH = {feed: 0, web: 3_600_000};
const EARLY = 20; // timers and clocks are a few milliseconds off; a slot that starts within this has started

// A Playback plays one plan in one zone: {playlist, timed, anchor, generation, presentation, background, color, timezone}. While an item is on, the next
// is prepared. A slot is a place in it: {index, start, end}; start and end only if the plan is timed.
export class Playback {
  #zone;
  #plan;
  #clock;
  #stop = new AbortController();
  #failed = new Map(); // index to when it failed
  #staged = new Set(); // layers that aren't shown yet
  #next = null;
  #settle;

  constructor(zone, plan, clock) {
    this.#zone = zone;
    this.#plan = plan;
    this.#clock = clock;
    // settled resolves when the first item alone is to be seen, or when there is none.
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get plan() {
    return this.#plan;
  }

  // prepare loads the first item, and resolves to whether any item works. before is the plan that is playing.
  async prepare(before) {
    this.#next = await this.#load(this.#firstSlot(before)).catch(() => null);
    return this.#next !== null;
  }

  // run plays until stop; it never fails.
  async run() {
    try {
      while (!this.#stop.signal.aborted) await this.#turn();
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  // stop ends it. What is shown stays shown.
  stop() {
    this.#stop.abort();
    for (const layer of this.#staged) layer.release();
    this.#staged.clear();
    this.#settle();
  }

  // turn shows the item that is next, and waits until it is over.
  async #turn() {
    let next = this.#next;
    this.#next = null;
    if (next && this.#isStale(next)) {
      this.#discard(next);
      next = await this.#load(this.#slotNow() ?? {index: next.index});
    }
    if (!next) {
      this.#settle();
      await sleep(RETRY, this.#stop.signal);
      this.#next = await this.#load(this.#slotNow() ?? {index: 0});
      return;
    }
    const shown = await this.#show(next);
    const following = this.#load(this.#slotAfter(next));
    following.catch(() => {});
    if (shown) await this.#over(next);
    this.#next = await following;
  }

  // load prepares the item of a slot, or the next one that works in its place. It resolves to {slot, index, item, layer}, or to null if
  // none works. If what is on looks just like it, that stays, and there is no layer but what is kept.
  async #load(slot) {
    const {playlist, background, color, timezone} = this.#plan;
    for (let i = 0; i < playlist.length; i++) {
      const index = (slot.index + i) % playlist.length;
      const item = playlist[index];
      if (performance.now() - (this.#failed.get(index) ?? -Infinity) < RETRY) continue;
      if (this.#goesOn(item, slot)) return {slot, index, item, kept: this.#zone.shown};
      try {
        const into = i === 0 && slot.start !== undefined ? (this.#clock.now() - slot.start) / 1000 : 0;
        const layer = await Layer.prepare(item, {
          zone: this.#zone, background, color, timezone, into, signal: this.#stop.signal,
          clock: this.#clock, civil: this.#clock, trusted: this.#clock.trusted,
        });
        if (this.#stop.signal.aborted) layer.release();
        this.#stop.signal.throwIfAborted();
        this.#staged.add(layer);
        return {slot, index, item, layer};
      } catch (error) {
        if (this.#stop.signal.aborted) throw error;
        this.#fail(index, error);
      }
    }
    return null;
  }

  // goesOn tells whether what is on serves for the item as well: any still picture of the same look, what is loaded from elsewhere for a
  // while, what ends by itself only if it is the same run of it.
  #goesOn(item, slot) {
    const shown = this.#zone.shown;
    if (!shown || !sameItem(shown.item, item) || shown.background !== this.#plan.background) return false;
    if (slot.keep || (slot.start !== undefined && slot.start === shown.slot.start)) return true;
    return !shown.layer.ended && performance.now() - shown.layer.loaded < (FRESH[item.type] ?? Infinity);
  }

  // isStale tells whether what was prepared isn't the right thing any more.
  #isStale({slot, kept}) {
    if (kept && kept !== this.#zone.shown) return true;
    const now = this.#slotNow();
    return now !== null && now.start !== slot.start;
  }

  // show puts a prepared item on the screen; false if it failed at the last moment.
  async #show({slot, index, item, layer, kept}) {
    const {generation, presentation, background} = this.#plan;
    try {
      await layer?.start();
    } catch (error) {
      this.#discard({layer});
      this.#stop.signal.throwIfAborted();
      this.#fail(index, error);
      return false;
    }
    this.#stop.signal.throwIfAborted();
    this.#staged.delete(layer);
    layer?.ended?.catch((error) => this.#fail(index, error));
    const since = slot.start ?? (kept ? kept.since : this.#clock.now());
    // The same run of the same item, in another generation, is one play; the next turn of a picture is another.
    const run = kept && (slot.keep || (slot.start !== undefined && slot.start === kept.slot.start)) ? kept : null;
    const began = run ? run.began : this.#clock.now();
    const started = run ? run.started : performance.now();
    const on = {slot, index, item, layer: layer ?? kept.layer, since, began, started, run, generation, presentation, background};
    this.#zone.turnTo(on).then(this.#settle);
    return true;
  }

  // over waits for the end of what is shown.
  async #over({slot, item}) {
    const {signal} = this.#stop;
    const {layer, started} = this.#zone.shown;
    if (slot.end !== undefined) {
      await Promise.race([this.#clock.until(slot.end, signal), broken(layer)]);
    } else if (item.seconds || !layer.ended) {
      await Promise.race([sleep(Math.max(0, started + (item.seconds || STILL) * 1000 - performance.now()), signal), broken(layer)]);
    } else {
      await Promise.race([layer.ended.catch(() => {}), aborted(signal)]);
    }
  }

  // slotNow is the slot that the clock says is on; null for a plan that doesn't go by the clock.
  #slotNow() {
    const {timed, playlist, anchor} = this.#plan;
    return timed ? slotAt(playlist, anchor, this.#clock.now() + EARLY) : null;
  }

  #firstSlot(before) {
    const now = this.#slotNow();
    if (now) return now;
    const shown = this.#zone.shown;
    if (!shown || !before || before.presentation !== this.#plan.presentation || before.anchor !== this.#plan.anchor) return {index: 0};
    return entry(this.#plan.playlist, before.playlist, shown.item);
  }

  #slotAfter({slot, index}) {
    const {timed, playlist, anchor} = this.#plan;
    return timed ? slotAt(playlist, anchor, slot.end) : {index: (index + 1) % playlist.length};
  }

  #fail(index, error) {
    this.#failed.set(index, performance.now());
    this.#zone.failed(this.#plan, index, error.message);
  }

  #discard({layer}) {
    this.#staged.delete(layer);
    layer?.release();
  }
}

// broken resolves if what is on fails before its time is over; another item then takes its place.
function broken({ended}) {
  return new Promise((resolve) => {
    ended?.catch(resolve);
  });
}
