import {frame} from './frame.js';
import {finish, frame as nextFrame, free, happens, start} from './video.js';

const HLS = 'application/vnd.apple.mpegurl';

// stream puts a live stream into parent, and resolves once it can play. Browsers that have no HLS of their own don't get one here.
export async function stream(item, parent, {signal}) {
  const {inside, refused} = await frame(item, parent, signal);
  const element = inside.createElement('video');
  if (!element.canPlayType(HLS)) throw new Error('this browser plays no HLS streams; Chromium does from version 142 on');
  element.muted = !item.volume;
  element.volume = (item.volume ?? 0) / 100;
  element.playsInline = true;
  element.disablePictureInPicture = true;
  element.preload = 'auto';
  element.style.objectFit = item.fit || 'contain';
  element.src = item.url;
  inside.body.append(element);
  signal.addEventListener('abort', () => free(element));
  await Promise.race([happens(element, 'canplay'), refused]);
  return {ended: finish(element, signal), start: () => start(element), drawn: () => nextFrame(element)};
}
