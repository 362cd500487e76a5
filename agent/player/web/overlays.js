import {fit} from './fit.js';

const WORDS = {
  searching: 'Searching', enrolling: 'Enrolling', connecting: 'Connecting', connected: 'Connected', offline: 'Offline',
};

// A <vitrine-wait> is the screen while there is nothing to play: who this is, and what it is waiting for.
class Wait extends HTMLElement {
  // tell shows the agent's status.
  tell({name, state, message, addresses, version, connected}) {
    this.dataset.connected = connected;
    this.#put('state', WORDS[state] ?? state);
    this.#put('name', name);
    this.#put('message', message);
    this.#put('addresses', (addresses ?? []).join(' · '));
    this.#put('version', version);
  }

  // over makes room for the programme.
  over() {
    this.dataset.state = 'over';
  }

  #put(field, text) {
    this.querySelector(`[data-text="${field}"]`).textContent = text ?? '';
  }
}

// A <vitrine-identify> shows the viewer's name so large that it can be read across a hall.
class Identify extends HTMLElement {
  #timer = 0;

  // show shows a name for some seconds; none or no time takes it off.
  show(name, seconds, line) {
    clearTimeout(this.#timer);
    this.hidden = !name || seconds <= 0;
    if (this.hidden) return;
    const heading = this.querySelector('h1');
    heading.textContent = name;
    this.querySelector('p').textContent = line;
    fit(heading, heading.parentElement, 0.45);
    this.#timer = setTimeout(() => {
      this.hidden = true;
    }, seconds * 1000);
  }
}

customElements.define('vitrine-wait', Wait);
customElements.define('vitrine-identify', Identify);
