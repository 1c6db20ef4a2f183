// Runs beside the page, on the sound's own thread: blocks of PCM, 16 bit, from the microphone.
declare const registerProcessor: (name: string, processor: unknown) => void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

const BLOCK = 1024; // samples: 64 ms, for which a word waits at most

registerProcessor(
  "pcm16",
  class extends AudioWorkletProcessor {
    private block = new Int16Array(BLOCK);
    private filled = 0;

    process([inputs]: Float32Array[][]): boolean {
      const heard = inputs?.[0];
      for (let place = 0; heard && place < heard.length; place++) {
        this.block[this.filled++] = 32767 * Math.max(-1, Math.min(1, heard[place]!));
        if (this.filled === BLOCK) this.flush();
      }
      return true;
    }

    private flush(): void {
      this.port.postMessage(this.block, [this.block.buffer]);
      this.block = new Int16Array(BLOCK);
      this.filled = 0;
    }
  },
);
