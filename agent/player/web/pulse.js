const EVERY = 10_000;
const LOOK = 1000;

// A Pulse tells the agent again and again that the page lives, and how much of it came to the screen. It asks for one frame a second, of the page
// and of each video that is on: a picture at rest costs no more than that.
export class Pulse {
  #send;
  #frames = 0; // of the page
  #drawn = 0; // of videos, for as long as they moved
  #moved = 0; // for how long videos moved, in milliseconds of their own time
  #asked = false;
  #videos = new WeakMap(); // to {time, drawn}, when it was last looked at

  // send is called with each message, and may lose it.
  constructor(send) {
    this.#send = send;
    setInterval(() => this.#look(), LOOK);
    setInterval(() => this.tell(), EVERY);
  }

  tell() {
    this.#send({type: 'pulse', visible: !document.hidden, frames: this.#frames, drawn: this.#drawn, moved: Math.round(this.#moved)});
  }

  #look() {
    if (!this.#asked) {
      this.#asked = true;
      requestAnimationFrame(() => {
        this.#asked = false;
        this.#frames++;
      });
    }
    for (const video of document.querySelectorAll('[data-state="shown"] video')) this.#watch(video);
  }

  // watch adds how far a video has moved since it was looked at, and has its frames counted.
  #watch(video) {
    if (!video.requestVideoFrameCallback) return;
    const time = video.currentTime * 1000;
    let state = this.#videos.get(video);
    if (!state) {
      state = {time, drawn: 0};
      this.#videos.set(video, state);
      this.#count(video, state);
    }
    if (!video.paused && time > state.time) this.#moved += time - state.time;
    state.time = time;
  }

  // count takes the number of a video's frame that was given to the screen, once a second.
  #count(video, state) {
    video.requestVideoFrameCallback((_, {presentedFrames}) => {
      this.#drawn += presentedFrames - state.drawn;
      state.drawn = presentedFrames;
      setTimeout(() => this.#count(video, state), LOOK);
    });
  }
}
