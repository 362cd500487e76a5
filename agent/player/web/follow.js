import {FRAME, sleep} from './timing.js';

const EVERY = 250;
const OFF = 12; // ms: from there on a video is steered
const NEAR = 3; // until it is as near as this
const CATCH_UP = 2000; // ms in which it is to be there
const MOST = 0.03; // the most that a rate differs from 1
const HOPELESS = 700; // ms: what is further off is put in its place
const SELDOM = 10_000; // but not more often than this
const ENOUGH = 3; // frames

let delay = 40; // ms that a video takes to get going, as was measured last

// follow starts a video or sound in time, by play, and holds it in step until the signal aborts: at the moment begin of the timeline its first picture is
// due. It rejects if it can't be played.
export async function follow(element, {time, begin}, play, signal) {
  const off = () => element.currentTime * 1000 - (time.now() - begin);
  let sought = -SELDOM;
  const seek = () => {
    sought = performance.now();
    element.currentTime = Math.min((time.now() - begin) / 1000 + 0.1, element.duration - 0.1);
  };
  if (off() < -HOPELESS) seek();
  await time.until(begin + element.currentTime * 1000 - delay, signal);
  await play(element);
  await sleep(EVERY / 2, signal);
  if (Math.abs(off()) < EVERY) delay = Math.max(0, Math.min(delay - off() / 2, EVERY));
  const seen = watch(element, {time, begin}, signal);
  while (!element.ended) {
    const by = seen() ?? off();
    if (Math.abs(by) > HOPELESS && performance.now() - sought > SELDOM) seek();
    element.playbackRate = rate(by, element.playbackRate);
    await sleep(EVERY, signal);
  }
}

// watch looks at the frames that come out, and gives a function that gives by how much those since its last call are off; undefined if they were
// too few to tell. What comes out is what counts: what the element says of itself doesn't know how late that is.
function watch(element, {time, begin}, signal) {
  let offs = [];
  const note = (now, {expectedDisplayTime, mediaTime}) => {
    // A frame comes out with the first refresh of the screen after its moment: half a refresh late, on the average.
    offs.push(mediaTime * 1000 - (time.now(expectedDisplayTime) - begin) + FRAME / 2);
    if (!signal.aborted) element.requestVideoFrameCallback(note);
  };
  element.requestVideoFrameCallback?.(note);
  return () => {
    const list = offs.sort((a, b) => a - b);
    offs = [];
    return list.length >= ENOUGH ? list[Math.floor(list.length / 2)] : undefined;
  };
}

// rate is how fast a video is to play that is off by some milliseconds: small steps, and none while it is near.
export function rate(off, present) {
  const most = present === 1 ? OFF : NEAR;
  if (Math.abs(off) < most) return 1;
  return 1 - Math.max(-MOST, Math.min(off / CATCH_UP, MOST));
}
