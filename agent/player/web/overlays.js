import {fit} from './fit.js';

const WORDS = {
  searching: 'Searching', enrolling: 'Enrolling', 'pending approval': 'Waiting for approval', connecting: 'Connecting', connected: 'Connected',
  degraded: 'Connected', offline: 'Offline',
};

// A <vitrine-wait> is the screen while there is nothing to play: who this is, and what it is waiting for.
class Wait extends HTMLElement {
  // tell shows the agent's status.
  tell({name, state, message, interfaces, version, connected, code, qr}) {
    this.dataset.connected = connected;
    this.#put('state', WORDS[state] ?? state);
    this.#put('name', name);
    this.#put('message', message);
    where(this.querySelector('.where'), interfaces);
    this.#put('version', version && `Vitrine ${version}`);
    this.#put('code', code);
    this.querySelector('.pairing').hidden = !code;
    this.#draw(qr ?? []);
  }

  // draw draws a QR code, of rows of modules, with the quiet zone of four modules that the standard asks for.
  #draw(rows) {
    const svg = this.querySelector('.pairing svg');
    const size = rows.length + 8;
    svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
    const dark = rows.flatMap((row, y) => [...row].map((module, x) => (module === '1' ? `M${x + 4} ${y + 4}h1v1h-1z` : '')));
    svg.querySelector('path').setAttribute('d', dark.join(''));
  }

  // lost says that the agent is gone.
  lost() {
    this.dataset.connected = false;
    this.#put('state', 'No viewer');
    this.#put('message', 'The viewer program on this device doesn\'t answer. It is started again by itself; if this stays, restart the device.');
    this.querySelector('.pairing').hidden = true;
  }

  // over makes room for the programme.
  over() {
    this.dataset.state = 'over';
  }

  #put(field, text) {
    this.querySelector(`[data-text="${field}"]`).textContent = text ?? '';
  }
}

// where lists network interfaces: what a person at the switch or router goes by.
function where(list, interfaces) {
  list.replaceChildren(...(interfaces ?? []).map(({name, mac, addresses}) => {
    const row = document.createElement('li');
    row.dataset.address = addresses?.length > 0 ? 'some' : 'none';
    for (const address of addresses?.length > 0 ? addresses : ['no address']) row.append(line('strong', address));
    row.append(line('span', [name, mac].filter(Boolean).join(' · ')));
    return row;
  }));
}

function line(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

// A <vitrine-identify> shows the viewer's name so large that it can be read across a hall.
class Identify extends HTMLElement {
  #timer = 0;

  // show shows a name for some seconds; none or no time takes it off.
  show(name, seconds, interfaces, time) {
    clearTimeout(this.#timer);
    this.hidden = !name || seconds <= 0;
    if (this.hidden) return;
    const heading = this.querySelector('h1');
    heading.textContent = name;
    where(this.querySelector('.where'), interfaces);
    this.querySelector('.time').textContent = time;
    fit(heading, heading.parentElement, 0.45);
    this.#timer = setTimeout(() => {
      this.hidden = true;
    }, seconds * 1000);
  }
}

customElements.define('vitrine-wait', Wait);
customElements.define('vitrine-identify', Identify);
