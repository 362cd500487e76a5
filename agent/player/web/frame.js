const REFUSED = {frame: 'the page leads to another address: give that one', media: 'the stream leads to another host'};

// frame puts a frame for a web page or stream into parent: an empty document of ours, whose policy allows the item's origin and
// nothing else. It resolves to its document, and to a promise that rejects if that policy refuses something.
export async function frame(item, parent, signal) {
  const element = document.createElement('iframe');
  element.src = `frame?${new URLSearchParams({type: item.type, url: item.url})}`;
  element.tabIndex = -1;
  const loaded = new Promise((resolve) => {
    element.addEventListener('load', resolve, {once: true});
  });
  parent.append(element);
  signal.addEventListener('abort', () => element.remove());
  await loaded;
  const inside = element.contentDocument;
  if (!inside?.body || inside.URL === 'about:blank') throw new Error('the agent gives no frame for it');
  const refused = new Promise((_, reject) => {
    inside.addEventListener('securitypolicyviolation', ({effectiveDirective, blockedURI}) => {
      reject(new Error(`${REFUSED[effectiveDirective.split('-')[0]] ?? 'its policy refuses it'} (${blockedURI})`));
    });
  });
  refused.catch(() => {});
  return {inside, refused};
}
