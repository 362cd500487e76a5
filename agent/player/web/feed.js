import {fit} from './fit.js';
import {line} from './ticker.js';

const EACH = 8000; // milliseconds for which one piece of news is on
const FADE = 500;
const WIDE = 5; // times as wide as high: a zone for a running line

// feed shows the news of a feed, from the agent's cache: in a wide zone as a running line, else one after the other. Which of them is on
// is a function of the agent's time.
export async function feed(item, parent, context) {
  const answer = await fetch(`v1/feed?${new URLSearchParams({url: item.url})}`, {signal: context.signal});
  if (!answer.ok) throw new Error(answer.status === 404 ? 'this viewer fetches no feeds' : (await answer.text()).trim());
  const {entries} = await answer.json();
  if (entries.length === 0) throw new Error('there is nothing in the feed');
  if (parent.clientWidth > WIDE * parent.clientHeight) {
    return line(entries.map(({title}) => `${title}  ·  `).join(''), item.speed, parent, context);
  }
  return cards(entries, parent, context);
}

async function cards(entries, parent, {clock, color, signal}) {
  const element = document.createElement('div');
  element.className = 'news';
  element.style.color = color;
  parent.append(element);
  await document.fonts.ready;
  const show = () => {
    const {title, summary} = entries[Math.floor(Math.max(0, clock.now()) / EACH) % entries.length];
    const card = document.createElement('div');
    const [heading, text] = ['h2', 'p'].map((name) => document.createElement(name));
    heading.textContent = title;
    text.textContent = summary;
    card.append(heading, text);
    element.replaceChildren(card);
    fit(card, element, 0.14);
    return card;
  };
  show();
  const resized = new ResizeObserver(show);
  resized.observe(element);
  signal.addEventListener('abort', () => resized.disconnect());
  turn(clock, entries.length, show, signal).catch(() => {});
  return {start: async () => {}, ended: null};
}

// turn shows one after the other, until the signal aborts.
async function turn(clock, length, show, signal) {
  while (length > 1) {
    await clock.until((Math.floor(clock.now() / EACH) + 1) * EACH, signal);
    show().animate([{opacity: 0}, {opacity: 1}], {duration: FADE, easing: 'ease-in-out'});
  }
}
