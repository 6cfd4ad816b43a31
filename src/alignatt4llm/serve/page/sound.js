// Where audio comes from: a microphone, a browser tab, or a file that is played.

/**
 * Open a source and pass its audio on as 16 kHz s16le.
 * @param {"microphone" | "tab" | "file"} kind
 * @param {File | undefined} file
 * @param {(bytes: ArrayBuffer) => void} take
 * @param {() => void} ended called when the source stops by itself
 * @returns {Promise<{stop: () => void, element?: HTMLAudioElement}>}
 */
export async function open(kind, file, take, ended) {
  const stream = kind === "file" ? null : await (kind === "tab" ? tab() : microphone());
  const context = new AudioContext();
  await context.audioWorklet.addModule(new URL("resampler.js", import.meta.url));
  const resampler = new AudioWorkletNode(context, "resampler");
  resampler.port.onmessage = (message) => take(message.data);
  resampler.connect(context.destination); // silent; without it some browsers do not run it
  await context.resume();

  if (stream) {
    const node = context.createMediaStreamSource(stream);
    node.connect(resampler);
    const [track] = stream.getAudioTracks();
    track.addEventListener("ended", ended);
    return {
      stop() {
        track.removeEventListener("ended", ended);
        stream.getTracks().forEach((one) => one.stop());
        context.close();
      },
    };
  }
  const element = new Audio(URL.createObjectURL(file));
  element.controls = true;
  const node = context.createMediaElementSource(element);
  node.connect(resampler);
  node.connect(context.destination);
  element.addEventListener("ended", ended);
  await element.play();
  return {
    element,
    stop() {
      element.removeEventListener("ended", ended);
      element.pause();
      URL.revokeObjectURL(element.src);
      context.close();
    },
  };
}

async function microphone() {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give microphones only to localhost and to https pages.");
  }
  return navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
}

async function tab() {
  if (!navigator.mediaDevices?.getDisplayMedia) {
    throw new Error("This browser cannot share the sound of a tab; use the microphone.");
  }
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
  if (!stream.getAudioTracks().length) {
    stream.getTracks().forEach((track) => track.stop());
    throw new Error("No sound was shared; choose a tab and tick 'Share audio'.");
  }
  stream.getVideoTracks().forEach((track) => (track.enabled = false));
  return stream;
}
