import {fit} from './fit.js';

// A field of a clock's format, in letters of Unicode's TR35, is an option of Intl.DateTimeFormat and the part of its answer; the agent
// takes no others.
const FIELDS = {
  H: ['hour', 'numeric', 'h23'], HH: ['hour', '2-digit', 'h23'], h: ['hour', 'numeric', 'h12'], hh: ['hour', '2-digit', 'h12'],
  m: ['minute', 'numeric'], mm: ['minute', '2-digit'], s: ['second', 'numeric'], ss: ['second', '2-digit'],
  a: ['dayPeriod', 'numeric', 'h12'], d: ['day', 'numeric'], dd: ['day', '2-digit'], E: ['weekday', 'short'], EEEE: ['weekday', 'long'],
  M: ['month', 'numeric'], MM: ['month', '2-digit'], MMM: ['month', 'short'], MMMM: ['month', 'long'], yy: ['year', '2-digit'], yyyy: ['year', 'numeric'],
};
const TOKEN = /'([^']*)'|([a-zA-Z])\2*|[^a-zA-Z']+/g;

// clock puts a clock into parent. It shows the agent's time, and nothing before that can be relied on.
export async function clock(item, parent, {civil, trusted, timezone, color, signal}) {
  if (!trusted) throw new Error('the time isn\'t known yet');
  const zone = item.timezone || timezone || 'UTC';
  const face = document.createElement('div');
  face.className = 'text clock';
  face.style.color = color;
  const lines = document.createElement('div');
  face.append(lines);
  const spans = (item.format || 'HH:mm').split('\n').map((format) => {
    const line = document.createElement('div');
    line.dataset.format = format;
    lines.append(line);
    return line;
  });
  parent.append(face);

  let width = 0;
  const tick = () => {
    for (const line of spans) {
      const text = written(line.dataset.format, civil.now(), zone, item.language || 'en');
      if (line.textContent !== text) line.textContent = text;
    }
    const length = lines.textContent.length;
    if (length !== width) fit(lines, face, 0.8 / (1 + 0.5 * (spans.length - 1)));
    width = length;
  };
  const resized = new ResizeObserver(() => {
    width = 0;
    tick();
  });
  signal.addEventListener('abort', () => resized.disconnect());
  await document.fonts.ready;
  tick();
  resized.observe(face);
  run(civil, tick, signal).catch(() => {});
  return {start: async () => {}, ended: null};
}

// run ticks at the beginning of each second, until the signal aborts.
async function run(time, tick, signal) {
  for (;;) {
    await time.until((Math.floor(time.now() / 1000) + 1) * 1000, signal);
    tick();
  }
}

// written is a moment in a format.
export function written(format, moment, timeZone, language) {
  return format.replace(TOKEN, (token, quoted, letter) => {
    if (letter) return part(token, moment, timeZone, language);
    return quoted === '' ? '\'' : quoted ?? token;
  });
}

const made = new Map(); // formatters are costly to make

function part(token, moment, timeZone, language) {
  const key = [token, timeZone, language].join();
  if (!made.has(key)) made.set(key, formatter(token, timeZone, language));
  const [name, style] = FIELDS[token];
  const {value} = made.get(key).formatToParts(moment).find(({type}) => type === name) ?? {value: ''};
  return style === '2-digit' ? value.padStart(2, '0') : value;
}

function formatter(token, timeZone, language) {
  const [name, style, hourCycle] = FIELDS[token];
  const options = {timeZone, calendar: 'gregory', hourCycle, [name === 'dayPeriod' ? 'hour' : name]: style};
  // Beside a day, a month has the form that it has in a date.
  if (token === 'MMMM' || token === 'MMM') options.day = 'numeric';
  return new Intl.DateTimeFormat(language, options);
}
