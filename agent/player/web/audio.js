import {finish, free, happens, keep, seek} from './video.js';

// audio plays a sound; there is nothing to see, and what lies below its zone shows through.
export async function audio(item, parent, {into, signal}) {
  parent.style.backgroundColor = 'transparent';
  const element = document.createElement('audio');
  element.volume = item.volume / 100;
  element.preload = 'auto';
  element.src = `assets/${item.asset}`;
  parent.append(element);
  signal.addEventListener('abort', () => free(element));
  await happens(element, 'canplaythrough');
  await seek(element, into);
  const length = Number.isFinite(element.duration) ? element.duration : 0;
  return {ended: finish(element, signal), start: (run) => (run ? keep(element, run, begin, signal) : begin(element)), length};
}

async function begin(element) {
  try {
    await element.play();
  } catch (error) {
    if (error.name !== 'NotAllowedError') throw error;
    throw new Error('the browser lets no page make sound by itself: start it with --autoplay-policy=no-user-gesture-required');
  }
}
