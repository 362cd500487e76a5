// FRAME is how long a frame of most screens is, in milliseconds.
export const FRAME = 1000 / 60;

// sleep waits for some milliseconds by the browser's monotonic clock; it rejects when the signal aborts.
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, {once: true});
  });
}

// within gives what the promise gives, or rejects after some milliseconds with the reason in words, or when the signal aborts.
export async function within(promise, milliseconds, reason, signal) {
  const over = new AbortController();
  const either = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
  const late = sleep(milliseconds, either).then(() => {
    throw new Error(reason);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}

// nextFrame resolves in the next frame, before it is painted, to its time. A hidden tab has none, and gets a few a second.
export function nextFrame(signal) {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const frame = requestAnimationFrame((at) => {
      over.abort();
      resolve(at);
    });
    sleep(250, AbortSignal.any(signal ? [signal, over.signal] : [over.signal])).then(() => resolve(performance.now()), () => {
      if (!signal?.aborted) return;
      cancelAnimationFrame(frame);
      reject(signal.reason);
    });
  });
}

// painted resolves once what has been changed until now has been on the screen. In a hidden tab nothing is painted, and nobody looks.
export function painted() {
  const frames = new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(resolve));
  });
  return Promise.race([frames, sleep(250)]);
}

// aborted rejects when the signal aborts.
export function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), {once: true});
  });
}
