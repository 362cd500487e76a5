// Pure functions of playlists; package schedule has the same ones in Go.

// duration is how long an item is on, in milliseconds.
export function duration(item) {
  return Math.max(1, Math.round(item.seconds * 1000));
}

// slotAt is where a timed playlist that counts from anchor stands: the index of the item that is on, since when and until when, in
// milliseconds of the agent's clock.
export function slotAt(playlist, anchor, now) {
  const total = playlist.reduce((sum, item) => sum + duration(item), 0);
  const moment = Math.floor(now);
  let at = (moment - anchor) % total;
  if (at < 0) at += total;
  let start = moment - at;
  let index = 0;
  while (start + duration(playlist[index]) <= moment) {
    start += duration(playlist[index]);
    index++;
  }
  return {index, start, end: start + duration(playlist[index])};
}

const ELSEWHERE = ['feed', 'stream', 'web'];

// isElsewhere tells whether an item is loaded from elsewhere than this machine's disk.
export function isElsewhere({type}) {
  return ELSEWHERE.includes(type);
}

const LOOKS = ['type', 'asset', 'text', 'url', 'format', 'timezone', 'language', 'speed', 'volume'];

// sameItem tells whether two items look the same.
export function sameItem(a, b) {
  return LOOKS.every((field) => (a[field] || undefined) === (b[field] || undefined)) && (a.fit || 'contain') === (b.fit || 'contain');
}

// entry is the index at which a playlist without a timetable starts when it takes over from another one: at its first new item,
// since that is what somebody wants to see now; else at the item that is on; else at the beginning.
export function entry(playlist, before, shown) {
  const added = playlist.findIndex((item) => !before.some((old) => sameItem(old, item)));
  if (added >= 0) return {index: added, keep: false};
  const index = playlist.findIndex((item) => sameItem(item, shown));
  return index >= 0 ? {index, keep: true} : {index: 0, keep: false};
}
