import {frame} from './frame.js';
import {painted} from './timing.js';

// web puts a web page into parent. It may run scripts, and is nobody: it has no origin, no storage, no referrer, no sound, and can
// leave its frame in no way. The agent has looked whether it can be shown, since the browser doesn't say.
export async function web(item, parent, {signal}) {
  const answer = await fetch(`v1/reachable?${new URLSearchParams({url: item.url})}`, {signal});
  if (!answer.ok) throw new Error((await answer.text()).trim());
  const {inside, refused} = await frame(item, parent, signal);
  const element = inside.createElement('iframe');
  element.sandbox = 'allow-scripts';
  element.referrerPolicy = 'no-referrer';
  element.src = item.url;
  const loaded = new Promise((resolve) => {
    element.addEventListener('load', resolve, {once: true});
  });
  inside.body.append(element);
  await Promise.race([loaded, refused]);
  return {start: async () => {}, ended: null, drawn: painted};
}
