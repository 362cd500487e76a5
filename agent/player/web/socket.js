const FIRST_DELAY = 250;
const LONGEST_DELAY = 5000;
const SILENCE = 65_000;

// A Socket is the connection to the agent. It comes back by itself, with growing delay, whenever it is lost.
export class Socket extends EventTarget {
  #url;
  #socket = null;
  #delay = FIRST_DELAY;
  #silence = 0;

  // It fires "open", "lost", and "message" with the message as detail.
  constructor(url) {
    super();
    this.#url = url;
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener('open', () => this.dispatchEvent(new Event('open')));
    socket.addEventListener('message', ({data}) => {
      // Only a connection on which something was said was a good one.
      this.#delay = FIRST_DELAY;
      this.#watch();
      this.dispatchEvent(new CustomEvent('message', {detail: JSON.parse(data)}));
    });
    socket.addEventListener('close', () => this.#lost(socket));
    this.#watch();
  }

  // send drops the message while there is no connection: a new one starts with everything that matters.
  send(message) {
    if (this.open) this.#socket.send(JSON.stringify(message));
  }

  // The clock asks and is answered all the time, so a silent connection is a dead one.
  #watch() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const socket = this.#socket;
      this.#lost(socket);
      socket.close();
    }, SILENCE);
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#silence);
    this.dispatchEvent(new Event('lost'));
    setTimeout(() => this.connect(), this.#delay * (0.75 + Math.random() / 2));
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
  }
}
