import {follow} from './follow.js';
import {sleep} from './timing.js';

const STALL = 10_000;
const NO_FRAME = 500;
const NEAR = 0.3; // seconds that aren't worth a seek

// video puts a video into parent and resolves once it can play through without a stop, from the second on that into() gives. It is silent unless
// the item says how loud it is.
export async function video(item, parent, {into, signal}) {
  const element = document.createElement('video');
  element.muted = !item.volume;
  element.volume = (item.volume ?? 0) / 100;
  element.playsInline = true;
  element.disablePictureInPicture = true;
  element.preload = 'auto';
  element.src = `assets/${item.asset}`;
  parent.append(element);
  signal.addEventListener('abort', () => free(element));
  await happens(element, 'canplaythrough');
  await seek(element, into);
  const length = Number.isFinite(element.duration) ? element.duration : 0;
  return {
    length,
    left: () => (length ? (length - element.currentTime) * 1000 : undefined),
    ended: finish(element, signal),
    drawn: () => frame(element),
    start: (run) => (run ? keep(element, run, play, signal) : play(element)),
  };
}

// seek goes to the second that into() gives, unless that is about where it stands.
export async function seek(element, into) {
  if (into() <= NEAR || !Number.isFinite(element.duration)) return;
  const seeked = happens(element, 'seeked');
  element.currentTime = Math.min(into(), element.duration - 0.1);
  await seeked;
}

// keep has an element follow a run from now on; what fails is its end.
export async function keep(element, run, begin, signal) {
  follow(element, run, begin, signal).catch(({message}) => {
    if (!signal.aborted) element.dispatchEvent(new CustomEvent('refused', {detail: message}));
  });
}

// free gives the decoder back now, and not when the garbage is collected.
export function free(element) {
  element.pause();
  element.removeAttribute('src');
  element.load();
}

// start plays, and resolves when the first frame is there.
export async function start(element) {
  const first = frame(element);
  await play(element);
  await first;
}

// play plays. A browser that lets no page make sound by itself plays it silently: what is to be seen is worth more.
async function play(element) {
  try {
    await element.play();
  } catch (error) {
    if (error.name !== 'NotAllowedError' || element.muted) throw error;
    document.documentElement.dataset.sound = 'refused';
    element.muted = true;
    await element.play();
  }
}

// frame resolves with the next frame of the video. One that has come to its end has no more, and a hidden tab draws none.
export function frame(element) {
  const next = new Promise((resolve) => {
    element.requestVideoFrameCallback?.(resolve);
  });
  return Promise.race([next, sleep(NO_FRAME)]);
}

// happens resolves at an event of the video, and rejects when the video fails.
export function happens(element, event) {
  return new Promise((resolve, reject) => {
    element.addEventListener(event, resolve, {once: true});
    element.addEventListener('error', () => reject(new Error(reason(element))), {once: true});
  });
}

// finish resolves when the video has played to its end, and rejects when it fails or stands still on the way.
export function finish(element, signal) {
  const promise = new Promise((resolve, reject) => {
    let last = -1;
    const timer = setInterval(() => {
      if (!element.paused && element.currentTime === last) reject(new Error(`the ${element.localName} stands still`));
      last = element.paused ? -1 : element.currentTime;
    }, STALL);
    signal.addEventListener('abort', () => clearInterval(timer));
    element.addEventListener('ended', () => {
      clearInterval(timer);
      resolve();
    }, {signal});
    element.addEventListener('error', () => {
      clearInterval(timer);
      reject(new Error(reason(element)));
    }, {signal});
    element.addEventListener('refused', ({detail}) => {
      clearInterval(timer);
      reject(new Error(detail));
    }, {signal});
  });
  promise.catch(() => {}); // whoever plays it looks at it; one that is only prepared has nobody
  return promise;
}

function reason(element) {
  return `the ${element.localName} can't be played: ${element.error?.message || `code ${element.error?.code}`}`;
}
