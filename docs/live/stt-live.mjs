// Live speech to text that goes on where a connection breaks or a gateway restarts: nothing lost, nothing twice.
//
//   const stream = new LiveStream("ws://127.0.0.1:8080/v1/stream?token=KEY", { language: "en" }, (message) => {
//     if (message.type === "transcript") console.log(message.text);
//   });
//   stream.send(samples); // an ArrayBuffer of PCM16, as often as there is sound
//   await stream.stop(); // the last message
//
// For browsers and Node from version 22; it needs nothing else.

const WIDTHS = { pcm16: 2, float32: 4, mulaw: 1, alaw: 1 }; // bytes of a sample, by encoding
const FRAME_SECONDS = 0.1;
const COMPLETE = 1000;
const REFUSED = 1008;

export class LiveStream {
  #url;
  #config;
  #show;
  #rate;
  #width;
  #socket = null;
  #kept = new Uint8Array(0); // sound that may have to be sent again
  #start = 0; // bytes of all sound before it
  #sent = 0; // bytes of all sound that this connection has
  #ready = false;
  #stopped = false;
  #session = "";
  #position = 0; // samples that no other connection needs
  #words = []; // final ones that came and end after it
  #lostAt = null;
  #last = null;
  #error = "";

  // config: what docs/websocket.md names; patience: milliseconds without a connection, after which it fails
  constructor(url, config, show, { patience = 120_000 } = {}) {
    this.#url = url;
    this.#config = { encoding: "pcm16", sample_rate: 16_000, ...config };
    this.#show = show;
    this.#rate = this.#config.sample_rate;
    this.#width = WIDTHS[this.#config.encoding];
    this.patience = patience;
    this.done = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.done.catch(() => {}); // whoever waits for it hears of it
    this.#connect();
  }

  send(sound) {
    const more = new Uint8Array(this.#kept.length + sound.byteLength);
    more.set(this.#kept);
    more.set(new Uint8Array(sound.buffer ?? sound, sound.byteOffset ?? 0, sound.byteLength), this.#kept.length);
    this.#kept = more;
    this.#pass();
  }

  stop() {
    this.#stopped = true;
    this.#pass();
    return this.done;
  }

  #connect() {
    this.#ready = false;
    const socket = (this.#socket = new WebSocket(this.#url));
    const resume = { session: this.#session, position: this.#position, words: this.#words };
    socket.onopen = () => socket.send(JSON.stringify({ ...this.#config, resume: this.#session ? resume : true }));
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.#closed(code);
    socket.onerror = () => {}; // onclose follows
  }

  #hear(message) {
    if (message.type === "ready" && !this.#ready) {
      this.#session = message.session;
      this.#lostAt = null;
      this.#sent = this.#position * this.#width;
      this.#ready = true;
      this.#pass();
    }
    if (message.type === "error") this.#error = message.error;
    if (message.type === "transcript") this.#words.push(...message.words);
    if (message.acknowledged !== undefined) {
      this.#position = message.acknowledged;
      this.#words = this.#words.filter((word) => word.end * this.#rate > this.#position);
      const start = this.#position * this.#width;
      this.#kept = this.#kept.slice(Math.max(0, start - this.#start));
      this.#start = Math.max(this.#start, start);
    }
    this.#last = message;
    if (!message.final) this.#show(message);
  }

  #pass() {
    if (!this.#ready || this.#socket.readyState !== WebSocket.OPEN) return;
    const frame = Math.floor(this.#rate * FRAME_SECONDS) * this.#width;
    for (let left; (left = this.#kept.subarray(this.#sent - this.#start)).length; this.#sent += Math.min(frame, left.length))
      this.#socket.send(left.slice(0, frame));
    if (this.#stopped) this.#socket.send('{"action": "stop"}');
  }

  #closed(code) {
    if (code === COMPLETE && this.#last?.final) {
      this.#show(this.#last);
      return this.resolve(this.#last);
    }
    this.#lostAt ??= Date.now();
    if (code === REFUSED || Date.now() - this.#lostAt > this.patience)
      return this.reject(new Error(this.#error || "no service answers"));
    setTimeout(() => this.#connect(), 100 + 400 * Math.random()); // many clients come again at once otherwise
  }
}
