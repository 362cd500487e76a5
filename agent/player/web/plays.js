const MOST = 2000;
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

// Plays are proof of play: what was shown and is over. Each is kept until the agent has it.
export class Plays {
  #send;
  #now;
  #waiting = new Map(); // by id, oldest first

  // send is called with each message, and may lose it; now is the agent's time in milliseconds.
  constructor(send, now) {
    this.#send = send;
    this.#now = now;
  }

  add(detail) {
    const message = {type: 'played', play: ulid(Math.max(0, this.#now())), ...detail};
    this.#waiting.set(message.play, message);
    if (this.#waiting.size > MOST) this.#waiting.delete(this.#waiting.keys().next().value);
    this.#send(message);
  }

  // noted forgets a play that the agent has.
  noted(play) {
    this.#waiting.delete(play);
  }

  // resend sends all that the agent may not have, after a lost connection.
  resend() {
    for (const message of this.#waiting.values()) this.#send(message);
  }
}

// ulid makes an id of a time in milliseconds and 80 random bits.
export function ulid(time) {
  let head = '';
  for (let rest = Math.floor(time), i = 0; i < 10; i++) {
    head = DIGITS[rest % 32] + head;
    rest = Math.floor(rest / 32);
  }
  return head + [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => DIGITS[byte % 32]).join('');
}
