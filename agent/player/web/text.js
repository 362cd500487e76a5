import {fit} from './fit.js';

// text puts a text into parent, as large as the zone allows.
export async function text(item, parent, {color, signal}) {
  const element = document.createElement('div');
  element.className = 'text';
  // One child, so that the line breaks of the text stay inside one flex item.
  const words = document.createElement('span');
  words.textContent = item.text;
  element.append(words);
  element.style.color = color;
  parent.append(element);
  const resized = new ResizeObserver(() => fit(words, element, 0.5));
  resized.observe(element);
  signal.addEventListener('abort', () => resized.disconnect());
  await document.fonts.ready;
  fit(words, element, 0.5);
  return {start: async () => {}, ended: null};
}
