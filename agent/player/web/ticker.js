const SPEED = 8; // percent of the zone's width per second
const FRAME = 60; // per second; whole pixels a frame make the letters stand still in themselves
const LOOK = 1000; // milliseconds between two looks whether the line is where it should be
const SLOWLY = 4000; // milliseconds in which it is brought back
const FAR = 250; // milliseconds that are jumped, and not made up for

// ticker runs a text through the zone, from right to left. Where it is is a function of the agent's time.
export async function ticker(item, parent, context) {
  return line(item.text.replaceAll('\n', ' '), item.speed, parent, context);
}

// line lets one line of text run. It is moved by the compositor, so that it stays smooth while the page is busy.
export async function line(text, speed, parent, {clock, color, signal}) {
  const element = document.createElement('div');
  element.className = 'ticker';
  element.style.color = color;
  const track = document.createElement('div');
  element.append(track);
  parent.append(element);
  await document.fonts.ready;

  let run = null;
  let timer = 0;
  const lay = () => {
    run?.cancel();
    const {width, loop} = copies(text, track, element);
    const step = Math.max(1, Math.round((width * (speed || SPEED)) / 100 / FRAME * devicePixelRatio)) / devicePixelRatio;
    const duration = (loop / (step * FRAME)) * 1000;
    run = track.animate([{transform: 'translateX(0)'}, {transform: `translateX(${-loop}px)`}], {duration, iterations: Infinity});
    run.currentTime = ((clock.now() % duration) + duration) % duration;
  };
  const resized = new ResizeObserver(lay);
  lay();
  resized.observe(element);
  timer = setInterval(() => hold(run, clock), LOOK);
  signal.addEventListener('abort', () => {
    resized.disconnect();
    clearInterval(timer);
    run.cancel();
  });
  return {start: async () => {}, ended: null};
}

// copies writes the text as often as it takes to fill the zone at any time, and gives the zone's width and that of one copy.
function copies(text, track, element) {
  track.style.fontSize = `${element.clientHeight * 0.5}px`;
  const width = element.clientWidth;
  const span = document.createElement('span');
  span.textContent = text;
  track.replaceChildren(span);
  const loop = span.offsetWidth;
  for (let filled = loop; loop > 0 && filled < width + loop; filled += loop) track.append(span.cloneNode(true));
  return {width, loop: Math.max(1, loop)};
}

// hold brings the line back to where it should be: unnoticed, by its speed, or at once if the clock has jumped.
function hold(run, clock) {
  const {duration} = run.effect.getTiming();
  let off = (clock.now() - run.currentTime) % duration;
  if (off > duration / 2) off -= duration;
  if (off < -duration / 2) off += duration;
  if (Math.abs(off) > FAR) run.currentTime = ((clock.now() % duration) + duration) % duration;
  else run.updatePlaybackRate(1 + off / SLOWLY);
}
