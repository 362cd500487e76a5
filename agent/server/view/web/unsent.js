const KEY = `vitrine plays ${new URL('.', document.baseURI).pathname}`;
const MOST = 2000;
const EVERY = 10_000;

// Unsent are the plays that the server may not have, kept in the browser so that they outlast the page.
export class Unsent {
  #plays = new Map(); // by id, oldest first
  #before = []; // of a page before this one; the page itself sends its own
  #timer = 0;

  constructor() {
    for (const play of this.#read()) {
      this.#before.push(play);
      this.#plays.set(play.play, play);
    }
    addEventListener('pagehide', () => this.#write());
  }

  add(play) {
    this.#plays.set(play.play, play);
    if (this.#plays.size > MOST) this.#plays.delete(this.#plays.keys().next().value);
    this.#soon();
  }

  noted(id) {
    this.#plays.delete(id);
    this.#soon();
  }

  // resend sends those of pages before this one that nobody has noted.
  resend(send) {
    this.#before = this.#before.filter(({play}) => this.#plays.has(play));
    this.#before.forEach(send);
  }

  forget() {
    this.#plays.clear();
    this.#before = [];
    this.#write();
  }

  #soon() {
    this.#timer ||= setTimeout(() => this.#write(), EVERY);
  }

  #read() {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? [];
    } catch {
      return []; // a browser that keeps nothing, or what is damaged
    }
  }

  #write() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.#plays.values()]));
    } catch {
      // A browser that keeps nothing: the page has them for as long as it is open.
    }
  }
}
