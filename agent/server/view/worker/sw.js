// The service worker of the page in a plain browser: it answers with what is kept, so that the page loads and plays without the server. VERSION
// and FILES, of the page, are written above by the server. What is kept of the programme is the page's business (keeper.js).
const SCOPE = self.registration.scope;
const PAGE = `vitrine page ${SCOPE} ${VERSION}`;
const PROGRAMME = `vitrine programme ${SCOPE}`;

// All files of the page, or none: a page is never made of two versions.
self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const names = ['', ...FILES.filter((name) => name !== 'index.html').map((name) => `web/${name}`)];
    const cache = await caches.open(PAGE);
    await cache.addAll(names.map((name) => new Request(SCOPE + name, {cache: 'reload'})));
    await self.skipWaiting();
  })());
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith(`vitrine page ${SCOPE} `) && name !== PAGE) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener('fetch', (event) => {
  const {request} = event;
  const address = request.url.split(/[?#]/)[0];
  if (request.method !== 'GET' || !address.startsWith(SCOPE)) return;
  const path = address.slice(SCOPE.length);
  if (path === '' || path.startsWith('web/')) event.respondWith(kept(PAGE, address, request));
  else if (path.startsWith('assets/')) event.respondWith(kept(PROGRAMME, address, request));
});

// kept answers from a cache, and from the server what isn't there.
async function kept(name, address, request) {
  const response = await (await caches.open(name)).match(address);
  if (!response) return fetch(request);
  const range = request.headers.get('range');
  return range ? part(response, range) : response;
}

// part is a range of a response (RFC 9110, section 14): one that is asked for in another way gets all.
async function part(response, range) {
  const asked = /^bytes=(\d*)-(\d*)$/.exec(range.trim());
  if (!asked || (!asked[1] && !asked[2])) return response;
  const all = await response.blob();
  const first = asked[1] ? Number(asked[1]) : Math.max(0, all.size - Number(asked[2]));
  const last = asked[1] && asked[2] ? Math.min(Number(asked[2]), all.size - 1) : all.size - 1;
  const headers = new Headers(response.headers);
  if (first > last) {
    headers.set('Content-Range', `bytes */${all.size}`);
    return new Response(null, {status: 416, headers});
  }
  headers.set('Content-Range', `bytes ${first}-${last}/${all.size}`);
  headers.set('Content-Length', String(last - first + 1));
  return new Response(all.slice(first, last + 1), {status: 206, headers});
}
