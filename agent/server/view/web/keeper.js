import {sleep} from './timing.js';

const base = new URL('.', document.baseURI).href;
const CACHE = `vitrine programme ${base}`;
const RECORD = new URL('kept.json', base).href;
const PATIENCE = 2000; // for the server, before what is kept is played
const RETRY = 5000;
const LONGEST_RETRY = 300_000;
const AHEAD = 6 * 3600_000; // how old a plan may be before the days to come are asked for again
const TIDY = 30_000; // what was on before may still be on its way off the screen
const DRIFT = 500;

// A Keeper keeps the programme, with all its files and what is on in the days to come, in the browser's cache. It plays a new one once all of it is
// there, and goes on with the one before until then; it plays on, and begins again, without the server.
export class Keeper {
  #tell;
  #kept = null; // the record that is in the cache whole: {plan, offset, at}
  #message = null; // what the server said last
  #loading = null; // {generation, stop, nudge}
  #live = null; // a generation that can't be kept, and is played from the server
  #timer = 0;
  #heard = false;
  #started;
  #send;
  #reason = ''; // why the programme that is on isn't kept

  // tell is called with each message for the page, send with each for the server.
  constructor(tell, send) {
    this.#tell = tell;
    this.#send = send;
  }

  get #clock() {
    return document.querySelector('vitrine-screen').clock;
  }

  // start reads what is kept, and plays it unless the server is there first.
  async start() {
    this.#started = this.#read();
    await this.#started;
    await sleep(PATIENCE);
    if (!this.#heard && this.#kept) {
      const now = Date.now() + this.#kept.offset;
      this.#clock.hello({now, playout: now});
      this.#clock.trusted = true; // as far as the browser's date went on rightly
    }
    if (!this.#message && this.#kept) this.#play();
    setInterval(() => this.#setOffset(), 20_000);
  }

  // hello tells that the server is there, and that its time is known.
  hello() {
    this.#heard = true;
    this.#say(this.#reason);
  }

  // want takes what the server wants to be on.
  async want(message) {
    await this.#started;
    this.#message = message;
    const {generation} = message;
    if (generation === this.#kept?.plan.generation || generation === this.#live) {
      this.#stop();
      this.#tell(message);
      this.#schedule();
      if (this.#kept && Date.now() - this.#kept.at > AHEAD) this.#load(generation);
      return;
    }
    if (!this.#kept) this.#tell(message);
    else if (!this.#live) this.#play();
    if (this.#loading?.generation === generation) this.#loading.nudge();
    else this.#load(generation);
  }

  // forget removes all that is kept of the page and its programme.
  async forget() {
    this.#stop();
    clearTimeout(this.#timer);
    for (const name of await caches.keys()) {
      if (name === CACHE || name.startsWith(`vitrine page ${base} `)) await caches.delete(name);
    }
  }

  // play tells what the plan that is kept says is on.
  #play() {
    const {plan} = this.#kept;
    const change = this.#changes().on;
    this.#tell({...plan.presentations[change.presentation], since: change.at, ...change});
    this.#schedule();
  }

  // schedule waits for the next change of the plan that is kept.
  #schedule() {
    clearTimeout(this.#timer);
    if (!this.#kept || this.#live) return;
    const {next} = this.#changes();
    const wait = next ? next.at - this.#clock.civil.now() : Infinity;
    this.#timer = setTimeout(() => this.#play(), Math.min(Math.max(wait, 20), 60_000));
  }

  // changes are the change that is on now and the next one.
  #changes() {
    const now = this.#clock.civil.now();
    const {changes} = this.#kept.plan;
    const following = changes.findIndex(({at}) => at > now);
    const index = following < 0 ? changes.length - 1 : Math.max(0, following - 1);
    return {on: changes[index], next: changes[index + 1]};
  }

  #say(reason) {
    this.#reason = reason;
    this.#send({type: 'kept', reason});
  }

  #stop() {
    this.#loading?.stop.abort();
    this.#loading = null;
  }

  // load fetches a generation until all of it is there, or another one is wanted, or it turns out to be too large for this browser.
  async #load(generation) {
    this.#stop();
    const stop = new AbortController();
    const loading = {generation, stop, nudge: () => {}};
    this.#loading = loading;
    const {signal} = stop;
    for (let wait = RETRY; !signal.aborted; wait = Math.min(wait * 2, LONGEST_RETRY)) {
      try {
        const plan = await (await get('v1/programme', {signal, cache: 'no-store'})).json();
        if (plan.generation === generation) {
          await this.#fill(plan, signal);
          await this.#commit(plan, signal);
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error.name === 'QuotaExceededError') {
          this.#playLive(generation);
          return;
        }
        this.#say(`not all of the programme could be loaded (${error.message}); it tries again`);
      }
      await Promise.race([sleep(wait, signal).catch(() => {}), new Promise((resolve) => {
        loading.nudge = resolve;
      })]);
    }
  }

  // fill gets the files that aren't there yet.
  async #fill(plan, signal) {
    const cache = await caches.open(CACHE);
    const have = new Set((await cache.keys()).map(({url}) => url));
    const missing = plan.assets.filter(({digest}) => !have.has(assetURL(digest)));
    const bytes = missing.reduce((sum, {size}) => sum + size, 0);
    const {quota = Infinity, usage = 0} = await navigator.storage?.estimate?.() ?? {};
    if (bytes > quota - usage) throw new DOMException('more than this browser keeps', 'QuotaExceededError');
    for (const {digest} of missing) await cache.put(assetURL(digest), await get(assetURL(digest), {signal}));
  }

  // commit makes a plan the one that is kept, by one write, and turns to it.
  async #commit(plan, signal) {
    const record = {plan, offset: this.#clock.civil.now() - Date.now(), at: Date.now()};
    await write(record);
    if (signal.aborted) return;
    this.#kept = record;
    this.#live = null;
    this.#loading = null;
    document.documentElement.dataset.kept = plan.generation;
    this.#say('');
    if (this.#message?.generation === plan.generation) this.#tell(this.#message);
    this.#schedule();
    setTimeout(() => this.#tidy(), TIDY);
  }

  // playLive plays what can't be kept. What was kept stays for a start without the server: better than nothing.
  #playLive(generation) {
    this.#live = generation;
    this.#loading = null;
    document.documentElement.dataset.kept = 'none';
    this.#say('the programme is larger than what this browser keeps');
    clearTimeout(this.#timer);
    if (this.#message?.generation === generation) this.#tell(this.#message);
  }

  // tidy removes the files that neither the programme nor one on its way needs.
  async #tidy() {
    if (this.#loading || !this.#kept) return;
    const needed = new Set([RECORD, ...this.#kept.plan.assets.map(({digest}) => assetURL(digest))]);
    const cache = await caches.open(CACHE);
    for (const request of await cache.keys()) {
      if (!needed.has(request.url)) await cache.delete(request);
    }
  }

  async #read() {
    try {
      const response = await (await caches.open(CACHE)).match(RECORD);
      this.#kept = response ? await response.json() : null;
      if (this.#kept) document.documentElement.dataset.kept = this.#kept.plan.generation;
    } catch {
      this.#kept = null; // damaged: it is fetched again
    }
  }

  // setOffset keeps how far the browser's date is from the server's time: a page that begins without the server has nothing else.
  async #setOffset() {
    if (!this.#kept || document.documentElement.dataset.connection !== 'open') return;
    const offset = this.#clock.civil.now() - Date.now();
    if (Math.abs(offset - this.#kept.offset) < DRIFT) return;
    this.#kept.offset = offset;
    await write(this.#kept).catch(() => {});
  }
}

async function write(record) {
  const cache = await caches.open(CACHE);
  await cache.put(RECORD, new Response(JSON.stringify(record), {headers: {'Content-Type': 'application/json'}}));
}

function assetURL(digest) {
  return new URL(`assets/${digest}`, base).href;
}

async function get(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`${url.split('/').pop()}: ${response.status}`);
  return response;
}
