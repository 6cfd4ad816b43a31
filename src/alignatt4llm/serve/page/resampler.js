// Any rate in, 16 kHz 16-bit mono out, in blocks of 100 ms; runs in the audio thread.

const RATE = 16000;
const BLOCK = 1600;
const CROSSINGS = 12; // zero crossings of the sinc on either side

/** The low-pass kernel at a distance of `x` output samples. */
function kernel(x, cutoff) {
  if (Math.abs(x) >= CROSSINGS) return 0;
  const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / CROSSINGS);
  const angle = Math.PI * x * cutoff;
  return window * (angle ? Math.sin(angle) / angle : 1) * cutoff;
}

class Resampler extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / RATE; // input samples per output sample
    this.scale = Math.max(1, this.step);
    this.reach = Math.ceil(CROSSINGS * this.scale);
    this.input = new Float32Array(2 * this.reach); // silence before the beginning
    this.at = this.reach; // where the next output sample lies in `input`
    this.output = new Int16Array(BLOCK);
    this.filled = 0;
  }

  process([channels]) {
    if (channels.length) this.take(mixed(channels));
    return true;
  }

  take(samples) {
    const joined = new Float32Array(this.input.length + samples.length);
    joined.set(this.input);
    joined.set(samples, this.input.length);
    while (this.at + this.reach < joined.length) {
      this.put(this.sample(joined));
      this.at += this.step;
    }
    const done = Math.floor(this.at) - this.reach;
    this.input = joined.slice(done);
    this.at -= done;
  }

  sample(input) {
    const first = Math.ceil(this.at - this.reach);
    let sum = 0;
    for (let i = first; i <= this.at + this.reach; i++) {
      sum += input[i] * kernel((i - this.at) / this.scale, 0.95);
    }
    return sum / this.scale;
  }

  put(value) {
    this.output[this.filled++] = Math.max(-1, Math.min(1, value)) * 32767;
    if (this.filled < BLOCK) return;
    this.port.postMessage(this.output.buffer, [this.output.buffer]);
    this.output = new Int16Array(BLOCK);
    this.filled = 0;
  }
}

function mixed(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, i) => channels.reduce((sum, one) => sum + one[i], 0) / channels.length);
}

registerProcessor("resampler", Resampler);
