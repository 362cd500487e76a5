// The page's link in a plain browser: to the server, and, where the browser can, to what is kept of it while there is none.
import {Keeper} from './keeper.js';
import {Socket} from './socket.js';
import {Unsent} from './unsent.js';

const version = document.querySelector('meta[name="vitrine-version"]').content;

// Service workers and their caches are there over TLS and on this machine only.
const able = 'serviceWorker' in navigator && 'caches' in window;

// A Link fires "message" and "lost" like a Socket.
export class Link extends EventTarget {
  #socket;
  #keeper = able ? new Keeper((message) => this.#tell(message), (message) => this.#socket.send(message)) : null;
  #unsent = new Unsent();
  #worker = null;

  constructor(url) {
    super();
    this.#socket = new Socket(url);
    this.#socket.addEventListener('message', ({detail}) => this.#take(detail));
    this.#socket.addEventListener('lost', () => this.dispatchEvent(new Event('lost')));
  }

  get open() {
    return this.#socket.open;
  }

  send(message) {
    if (message.type === 'played') this.#unsent.add(message);
    this.#socket.send(message);
  }

  connect() {
    this.#socket.connect();
    document.querySelector('[data-text="message"]').textContent = 'Waiting for the server.';
    if (able) {
      this.#keeper.start();
      this.#register();
    }
  }

  #take(message) {
    switch (message.type) {
      case 'over':
        this.#end();
        break;
      case 'hello':
        // Another version of the page is loaded by the worker first, all of it.
        if (able && message.page !== version) this.#worker?.update().catch(() => {});
        this.#tell(able ? {...message, page: version} : message);
        if (able) this.#keeper.hello();
        else this.#socket.send({type: 'kept', reason: 'it needs TLS to keep anything'});
        if (document.documentElement.dataset.worker === 'none') this.#socket.send({type: 'kept', reason: 'it doesn\'t believe the server\'s certificate'});
        break;
      case 'programme':
        if (this.#keeper) this.#keeper.want(message);
        else this.#tell(message);
        this.#unsent.resend((play) => this.#socket.send(play));
        break;
      case 'noted':
        this.#unsent.noted(message.play);
        this.#tell(message);
        break;
      default:
        this.#tell(message);
    }
  }

  #tell(message) {
    this.dispatchEvent(new CustomEvent('message', {detail: message}));
  }

  // register has the worker installed. When another one takes over, its version of the page is there: it is loaded between two items.
  async #register() {
    const had = navigator.serviceWorker.controller !== null;
    navigator.serviceWorker.addEventListener('controllerchange', () => {
      document.documentElement.dataset.worker = 'ready';
      const {civil, playout} = document.querySelector('vitrine-screen').clock;
      if (had) this.#tell({type: 'hello', page: 'another', now: civil.now(), playout: playout.now()});
    });
    if (had) document.documentElement.dataset.worker = 'ready';
    try {
      this.#worker = await navigator.serviceWorker.register('sw.js', {updateViaCache: 'none'});
    } catch {
      // Without the server, or with a certificate that the browser only puts up with. The page plays as it is.
      if (had) return;
      document.documentElement.dataset.worker = 'none';
    }
  }

  // end is the end of the link: nothing is kept, and the server says in words why there is nothing to see.
  async #end() {
    await this.#keeper?.forget();
    this.#unsent.forget();
    const registration = able ? await navigator.serviceWorker.getRegistration() : null;
    await registration?.unregister();
    location.reload();
  }
}
