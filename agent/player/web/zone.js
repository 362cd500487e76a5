import {Playback} from './playback.js';

const SHORT = 0.3; // seconds that a play may lack, and still is a whole one: the next comes on a little early

// A <vitrine-zone> is a rectangle of the screen that plays a playlist. Its data attributes say what is on: data-zone, data-presentation,
// data-generation, data-index, data-asset.
export class Zone extends HTMLElement {
  #playing = null;
  #prepared = null;

  // shown is what is on: {slot, index, item, layer, since, began, started, generation, presentation, background}, or null.
  shown = null;

  // place puts the zone where the manifest says, in percent of the screen.
  place({id, x, y, w, h}) {
    this.dataset.zone = id;
    this.dataset.state = 'preparing';
    Object.assign(this.style, {left: `${x}%`, top: `${y}%`, width: `${w}%`, height: `${h}%`});
    this.rectangle = [x, y, w, h].join();
  }

  // prepare gets a plan ready while the present one plays on, and resolves to whether any item of it works.
  // from is when it is to take over, by the browser's clock; undefined for at once.
  prepare(plan, clock, from) {
    this.discard();
    this.#prepared = new Playback(this, plan, clock);
    return this.#prepared.prepare(this.#playing?.plan, from);
  }

  // ends is when what is on ends that goes on at a moment of the browser's clock; undefined if nobody knows.
  ends(at) {
    return this.#playing?.ends(at);
  }

  // discard forgets what was prepared.
  discard() {
    this.#prepared?.stop();
    this.#prepared = null;
  }

  // commit turns to the plan that was prepared, and resolves when its first item alone is to be seen.
  commit() {
    this.#playing?.stop();
    this.#playing = this.#prepared;
    this.#prepared = null;
    this.dataset.state = 'playing';
    this.#playing.run();
    return this.#playing.settled;
  }

  // stop ends playing; the last picture stays.
  stop() {
    this.discard();
    this.#playing?.stop();
  }

  // release frees the layers of a zone that isn't needed any more.
  release() {
    this.stop();
    this.#played();
    this.shown?.layer.release();
    this.remove();
  }

  // turnTo makes something the item that is on, and resolves when what was on before is gone.
  async turnTo(on) {
    const before = this.shown;
    if (!on.run || on.run !== before) this.#played();
    on.run = null; // or each would hold on to the one before
    this.shown = on;
    this.dataset.presentation = on.presentation;
    this.dataset.generation = on.generation;
    this.dataset.index = on.index;
    this.dataset.asset = on.item.asset ?? '';
    const revealed = before?.layer === on.layer
      ? Promise.resolve()
      : on.layer.reveal(on.item, before?.layer);
    this.dispatchEvent(new CustomEvent('shown', {bubbles: true, detail: this.report()}));
    await revealed;
    if (before && before.layer !== on.layer) before.layer.release();
  }

  // played tells that what was shown is over: for how long it was there, and whether that is all of it.
  #played() {
    if (!this.shown || document.hidden) return;
    const {generation, presentation, index, item, layer, began, started} = this.shown;
    const seconds = (performance.now() - started) / 1000;
    const detail = {
      generation, presentation, zone: this.dataset.zone, index, asset: item.asset ?? '', since: began, seconds,
      complete: layer.whole || seconds > (item.seconds || layer.length || 0) - SHORT,
    };
    this.dispatchEvent(new CustomEvent('played', {bubbles: true, detail}));
  }

  // report says what is on, as the agent wants to know it.
  report() {
    const {generation, presentation, index, item, since} = this.shown;
    return {generation, presentation, zone: this.dataset.zone, index, asset: item.asset ?? '', since};
  }

  // failed tells that an item of a plan can't be shown.
  failed({generation, presentation, playlist}, index, reason) {
    const detail = {generation, presentation, zone: this.dataset.zone, index, asset: playlist[index].asset ?? '', reason};
    this.dispatchEvent(new CustomEvent('failed', {bubbles: true, detail}));
  }
}

customElements.define('vitrine-zone', Zone);
