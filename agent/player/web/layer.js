import {audio} from './audio.js';
import {clock} from './clockface.js';
import {feed} from './feed.js';
import {image} from './image.js';
import {stream} from './stream.js';
import {text} from './text.js';
import {ticker} from './ticker.js';
import {painted, within} from './timing.js';
import {video} from './video.js';
import {web} from './web.js';

const TRANSITION = 0.8; // seconds, if the item doesn't say
const ASIDE = 0.25; // of the zone's width, by which a slide moves what was there

// renderers put an item into a layer. Each resolves, when the item can be shown at once, to
//   start(run)  sets it going, resolves when there is something to see; run is {time, begin} for what goes by a timeline
//   ended    a promise of its own end, null for what has none
//   drawn()  resolves when it is really on the screen; for what is drawn later than its layer
//   length   in seconds, for what has one
// and frees what it holds when its signal aborts. It is given {into, signal, color, timezone, clock, civil, trusted}.
const renderers = {audio, clock, feed, image, stream, text, ticker, video, web};

// A Layer is one item in a zone: prepared out of sight, then shown above the one before.
export class Layer {
  #element = document.createElement('div');
  #media = null;
  #over = new AbortController();
  // loaded is when it was, by the browser's monotonic clock.
  loaded = 0;
  // whole tells that it has come to its own end.
  whole = false;

  // prepare makes the layer of an item, loaded and decoded. It rejects with a reason in words.
  static async prepare(item, {zone, background, color, limit, signal, ...context}) {
    const layer = new Layer();
    layer.#element.className = 'layer';
    layer.#element.dataset.state = 'prepared';
    layer.#element.dataset.type = item.type;
    layer.#element.dataset.fit = item.fit || 'contain';
    layer.#element.style.backgroundColor = background || '#000';
    context.color = color || readable(layer.#element.style.backgroundColor);
    zone.append(layer.#element);
    try {
      const render = renderers[item.type];
      if (!render) throw new Error(`this page doesn't know items of the type ${item.type}`);
      const rendering = render(item, layer.#element, {...context, signal: layer.#over.signal});
      layer.#media = await within(rendering, limit, `not loaded within ${Math.round(limit / 1000)} s`, signal);
      layer.loaded = performance.now();
      layer.ended?.then(() => {
        layer.whole = true;
      }, () => {});
      return layer;
    } catch (error) {
      layer.release();
      throw error;
    }
  }

  // ended is the end of a video or sound, and rejects if it fails; null for what doesn't end by itself.
  get ended() {
    return this.#media.ended;
  }

  // length is that of a video or sound, in seconds; 0 for what has none.
  get length() {
    return this.#media.length ?? 0;
  }

  // left is how much of a video is left, in milliseconds; undefined for what doesn't end by itself.
  get left() {
    return this.#media.left?.();
  }

  // start sets the item going, by a run if it has one, and resolves when it can be seen.
  start(run) {
    if (this.#media.drawn) this.#element.dataset.state = 'started';
    return this.#media.start(run);
  }

  // reveal shows the layer, and resolves when it alone is to be seen. A fade or slide goes over the layer before, never through black.
  async reveal(item, before) {
    this.#element.dataset.state = 'shown';
    const length = 1000 * Math.min(item.transition_seconds || TRANSITION, item.seconds ? item.seconds / 2 : Infinity);
    if (item.transition === 'fade') await this.#move([{opacity: 0}, {opacity: 1}], length);
    else if (item.transition === 'slide') await this.#slide(length, before);
    else await this.#cut();
    await painted();
  }

  // A video may come out a frame or two after the layer that it is in. Until then what was on before has to show through.
  async #cut() {
    if (!this.#media.drawn) return;
    const {style} = this.#element;
    const background = style.backgroundColor;
    style.backgroundColor = 'transparent';
    await this.#media.drawn();
    await painted();
    style.backgroundColor = background;
  }

  // What was there goes aside more slowly than this comes in, so that no gap can open between the two.
  async #slide(length, before) {
    before?.#move([{transform: 'none'}, {transform: `translateX(${-ASIDE * 100}%)`}], length);
    await this.#move([{transform: 'translateX(100%)'}, {transform: 'none'}], length);
  }

  // move animates what the compositor can do by itself.
  async #move(frames, length) {
    const animation = this.#element.animate(frames, {duration: length, easing: 'ease-in-out', fill: 'backwards'});
    await within(animation.finished, length + 250, 'hidden tab').catch(() => animation.cancel());
  }

  // release takes the layer away.
  release() {
    this.#over.abort();
    this.#element.remove();
  }
}

// readable is near-white or near-black, whichever stands out from a colour of the form "rgb(r, g, b)".
function readable(background) {
  const [r, g, b] = background.match(/\d+/g)?.map(Number) ?? [0, 0, 0];
  return (r * 299 + g * 587 + b * 114) / 1000 > 140 ? '#14181d' : '#f2f4f7';
}
