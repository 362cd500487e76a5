import {fit} from './fit.js';

// text puts a text into parent, as large as the zone allows, in a colour that can be read on the background.
export async function text(item, parent, {signal}) {
  const element = document.createElement('div');
  element.className = 'text';
  // One child, so that the line breaks of the text stay inside one flex item.
  const words = document.createElement('span');
  words.textContent = item.text;
  element.append(words);
  element.style.color = readable(parent.style.backgroundColor);
  parent.append(element);
  const resized = new ResizeObserver(() => fit(words, element, 0.5));
  resized.observe(element);
  signal.addEventListener('abort', () => resized.disconnect());
  await document.fonts.ready;
  fit(words, element, 0.5);
  return {start: async () => {}, ended: null};
}

// readable is near-white or near-black, whichever stands out from a colour of the form "rgb(r, g, b)".
function readable(background) {
  const [r, g, b] = background.match(/\d+/g)?.map(Number) ?? [0, 0, 0];
  return (r * 299 + g * 587 + b * 114) / 1000 > 140 ? '#14181d' : '#f2f4f7';
}
