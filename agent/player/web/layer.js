import {image} from './image.js';
import {text} from './text.js';
import {video} from './video.js';
import {painted, within} from './timing.js';

const LOAD = 20_000;
const FADE = 800;

// renderers put an item into a layer. Each resolves, when the item can be shown at once, to
//   start()  sets it going, resolves when there is something to see
//   ended    a promise of its own end, null for what has none
//   drawn()  resolves when it is really on the screen; for what is drawn later than its layer
//   length   in seconds, for what has one
// and frees what it holds when its signal aborts.
const renderers = {image, text, video};

// A Layer is one item in a zone: prepared out of sight, then shown above the one before.
export class Layer {
  #element = document.createElement('div');
  #media = null;
  #over = new AbortController();

  // prepare makes the layer of an item, loaded and decoded. It rejects with a reason in words.
  static async prepare(item, {zone, background, into, signal}) {
    const layer = new Layer();
    layer.#element.className = 'layer';
    layer.#element.dataset.state = 'prepared';
    layer.#element.dataset.fit = item.fit || 'contain';
    layer.#element.style.backgroundColor = background || '#000';
    zone.append(layer.#element);
    try {
      const render = renderers[item.type];
      if (!render) throw new Error(`this page doesn't know items of the type ${item.type}`);
      const rendering = render(item, layer.#element, {into, signal: layer.#over.signal});
      layer.#media = await within(rendering, LOAD, `not loaded within ${LOAD / 1000} s`, signal);
      return layer;
    } catch (error) {
      layer.release();
      throw error;
    }
  }

  // ended is the end of a video; null for what doesn't end by itself.
  get ended() {
    return this.#media.ended;
  }

  // length is that of a video, in seconds; 0 for what has none.
  get length() {
    return this.#media.length ?? 0;
  }

  // start sets the item going, and resolves when it can be seen.
  start() {
    return this.#media.start();
  }

  // reveal shows the layer, and resolves when it alone is to be seen. A fade goes over what was there, never through black.
  async reveal(transition, longest) {
    this.#element.dataset.state = 'shown';
    await (transition === 'fade' ? this.#fade(longest) : this.#cut());
    await painted();
  }

  // A video comes out a frame or two after the layer that it is in. Until then what was on before has to show through.
  async #cut() {
    if (!this.#media.drawn) return;
    const {style} = this.#element;
    const background = style.backgroundColor;
    style.backgroundColor = 'transparent';
    await this.#media.drawn();
    style.backgroundColor = background;
  }

  async #fade(longest) {
    const length = Math.min(FADE, longest / 2);
    const fade = this.#element.animate([{opacity: 0}, {opacity: 1}], {duration: length, easing: 'ease-in-out'});
    await within(fade.finished, length + 250, 'hidden tab').catch(() => fade.cancel());
  }

  // release takes the layer away.
  release() {
    this.#over.abort();
    this.#element.remove();
  }
}
