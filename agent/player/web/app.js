// The page's beginning: connects what the agent says with what is on the screen, and the other way round. Nothing here decides what
// is on, and nothing that is on depends on the connection.
import {Clock} from './clock.js';
import {Link} from './link.js';
import {Plays} from './plays.js';
import {Pulse} from './pulse.js';
import './overlays.js';
import './screen.js';

const [screen, wait, identify, mark] = ['screen', 'wait', 'identify', 'mark'].map((name) => document.querySelector(`vitrine-${name}`));
const page = document.documentElement.dataset;
const version = document.querySelector('meta[name="vitrine-version"]').content;

const address = new URL('v1/page', document.baseURI);
address.search = location.search;
address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
const socket = new Link(address);
screen.clock = new Clock((message) => socket.send(message));

const plays = new Plays((message) => socket.send(message), () => screen.clock.civil.now());
const pulse = new Pulse((message) => socket.send(message));

let status = {};
let outdated = false;

const handlers = {
  hello({page: served, now, playout}) {
    page.connection = 'open';
    screen.clock.hello({now, playout});
    for (const report of screen.reports) socket.send({type: 'shown', ...report});
    pulse.tell();
    outdated = served !== version;
    if (!page.playing) renew();
  },
  status(message) {
    status = message;
    screen.clock.trusted = status.trusted;
    wait.tell(status);
    corner();
  },
  programme(message) {
    screen.show(message);
    plays.resend(); // an agent that has no programme yet can't tell what they are of
  },
  next(message) {
    screen.expect(message);
  },
  identify({name, seconds}) {
    identify.show(name, seconds, status.interfaces, screen.clock.words);
  },
  reload() {
    location.reload();
  },
  noted({play}) {
    plays.noted(play);
  },
  time(message) {
    screen.clock.answer(message);
  },
};

// corner lights the mark while something plays that nobody could change, or something else is wrong. The wait screen says more than the mark.
function corner() {
  const well = page.connection === 'open' && status.connected === true && !status.faults;
  mark.hidden = !page.playing || page.standby === 'true' || well;
}

// renew loads the page again after the agent was updated: between two items, and only while there is somebody to load it from.
function renew() {
  if (outdated && socket.open) location.reload();
}

socket.addEventListener('message', ({detail}) => handlers[detail.type]?.(detail));
socket.addEventListener('lost', () => {
  page.connection = 'lost';
  wait.lost();
  corner();
});
screen.addEventListener('shown', ({detail}) => {
  page.playing = 'true';
  wait.over();
  corner();
  socket.send({type: 'shown', ...detail});
  renew();
});
// On standby the dark screen is what it should be: nothing else is to be seen on it, but for a name to identify it by.
screen.addEventListener('turned', ({detail}) => {
  page.standby = detail.standby === true;
  if (!detail.standby) return;
  page.playing = 'true';
  wait.over();
  corner();
  renew();
});
screen.addEventListener('played', ({detail}) => plays.add(detail));
screen.addEventListener('failed', ({detail}) => socket.send({type: 'failed', ...detail}));
socket.connect();
