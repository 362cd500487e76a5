import {Layer} from './layer.js';
import {entry, sameItem, slotAt} from './playlist.js';
import {aborted, sleep} from './timing.js';

const RETRY = 5000;
const STILL = 10; // seconds that a picture is on if nobody said how long
// How long what is loaded from elsewhere is kept from turn to turn, in milliseconds: news are news, and a web page may have crashed.
const FRESH = {feed: 0, web: 3_600_000};
const EARLY = 100; // the next item is turned to so many milliseconds before it is on, and waits for its frame
const LEAD = 400; // a video that is joined in its middle is put so far ahead, and waits there for the time to come
const LOAD = [5000, 20_000]; // how long an item may take to load: until its slot is over, within these limits

// A Playback plays one plan in one zone: {playlist, timed, timeline, anchor, generation, presentation, background, color, timezone}. While an item is on,
// the next is prepared. A slot is a place in it: {index, start, end, from}; start and end only if the plan is timed, from if it is not to be seen before.
export class Playback {
  #zone;
  #plan;
  #clock;
  #time; // the timeline that the plan goes by
  #stop = new AbortController();
  #failed = new Map(); // index to when it failed
  #staged = new Set(); // layers that aren't shown yet
  #next = null;
  #first; // resolves when the first item is next, or none works
  #settle;

  constructor(zone, plan, clock) {
    this.#zone = zone;
    this.#plan = plan;
    this.#clock = clock;
    this.#time = clock[plan.timeline];
    // settled resolves when the first item alone is to be seen, or when there is none yet.
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get plan() {
    return this.#plan;
  }

  // ends is when the item ends that is on at a moment, which is now or soon, of the browser's clock; undefined if nobody knows.
  ends(at) {
    const {shown} = this.#zone;
    if (!shown) return undefined;
    const {timed, playlist, anchor} = this.#plan;
    const {item, layer, started} = shown;
    let end = started + (item.seconds || STILL) * 1000;
    if (timed) end = this.#time.local(slotAt(playlist, anchor, Math.ceil(this.#time.now() + at - performance.now())).end);
    else if (!item.seconds && layer.ended) end = performance.now() + layer.left;
    return end > at ? end : undefined;
  }

  // prepare loads the first item, and resolves to whether any item works. before is the plan that is playing, from the moment of the browser's
  // clock at which this one is to take over; undefined for at once.
  async prepare(before, from) {
    this.#first = this.#load(this.#firstSlot(before, from)).catch(() => null).then((next) => {
      this.#next = next;
    });
    await this.#first;
    return this.#next !== null;
  }

  // run plays until stop, from when the first item is loaded; it never fails.
  async run() {
    if (!this.#next) {
      this.#settle();
      await this.#first;
    }
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
        const layer = await Layer.prepare(item, {
          zone: this.#zone, background, color, timezone, limit: this.#limit(slot), signal: this.#stop.signal,
          into: () => (i === 0 ? this.#into(slot) : 0), clock: this.#time, civil: this.#clock.civil, trusted: this.#clock.trusted,
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
    if (this.#isSameRun(slot, shown)) return true;
    return !shown.layer.ended && performance.now() - shown.layer.loaded < (FRESH[item.type] ?? Infinity);
  }

  #isSameRun(slot, shown) {
    return slot.keep || (slot.start !== undefined && slot.start === shown.slot.start && this.#plan.timeline === shown.timeline);
  }

  // into is where in an item it is to be seen first, in seconds.
  #into({start, from}) {
    return start === undefined ? 0 : Math.max(0, Math.max(this.#time.now() + LEAD, from ?? start) - start) / 1000;
  }

  // limit is how long an item may take to load.
  #limit({end}) {
    const [least, most] = LOAD;
    return end === undefined ? most : Math.max(least, Math.min(end - this.#time.now(), most));
  }

  // isStale tells whether what was prepared isn't the right thing any more.
  #isStale({slot, kept}) {
    if (kept && kept !== this.#zone.shown) return true;
    const now = this.#time.now();
    return slot.start !== undefined && (slot.end <= now || (slot.from ?? slot.start) > now + 2 * EARLY);
  }

  // show puts a prepared item on the screen; false if it failed at the last moment.
  async #show({slot, index, item, layer, kept}) {
    const {generation, presentation, background} = this.#plan;
    const first = slot.from ?? slot.start;
    try {
      await layer?.start(slot.start !== undefined && slot.index === index ? {time: this.#time, begin: slot.start} : null);
      if (first !== undefined) await this.#time.frame(first, this.#stop.signal);
    } catch (error) {
      this.#discard({layer});
      this.#stop.signal.throwIfAborted();
      this.#fail(index, error);
      return false;
    }
    this.#stop.signal.throwIfAborted();
    this.#staged.delete(layer);
    layer?.ended?.catch((error) => this.#fail(index, error));
    // What people read is civil time, whatever the plan goes by.
    const now = this.#clock.civil.now();
    const since = slot.start === undefined ? kept?.since ?? now : now - (this.#time.now() - slot.start);
    // The same run of the same item, in another generation, is one play; the next turn of a picture is another.
    const run = kept && this.#isSameRun(slot, kept) ? kept : null;
    const began = run ? run.began : now;
    const started = run ? run.started : performance.now();
    const on = {
      slot, index, item, layer: layer ?? kept.layer, since, began, started, run, generation, presentation, background, timeline: this.#plan.timeline,
    };
    this.#zone.turnTo(on).then(this.#settle);
    return true;
  }

  // over waits for the end of what is shown.
  async #over({slot, item}) {
    const {signal} = this.#stop;
    const {layer, started} = this.#zone.shown;
    if (slot.end !== undefined) {
      await Promise.race([this.#time.until(slot.end - EARLY, signal), broken(layer)]);
    } else if (item.seconds || !layer.ended) {
      await Promise.race([sleep(Math.max(0, started + (item.seconds || STILL) * 1000 - performance.now()), signal), broken(layer)]);
    } else {
      await Promise.race([layer.ended.catch(() => {}), aborted(signal)]);
    }
  }

  // slotNow is the slot that the clock says is on; null for a plan that doesn't go by the clock.
  #slotNow() {
    const {timed, playlist, anchor} = this.#plan;
    return timed ? slotAt(playlist, anchor, this.#time.now()) : null;
  }

  #firstSlot(before, from) {
    const {timed, playlist, anchor, presentation} = this.#plan;
    const wait = from === undefined ? {} : {from: from + this.#time.now() - performance.now()};
    if (timed) return {...slotAt(playlist, anchor, Math.ceil(wait.from ?? this.#time.now())), ...wait};
    const shown = this.#zone.shown;
    if (!shown || !before || before.presentation !== presentation || before.anchor !== anchor) return {index: 0, ...wait};
    return {...entry(playlist, before.playlist, shown.item), ...wait};
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
