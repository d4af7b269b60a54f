// A recording: made with the microphone, chosen, or dropped; always sent as a file, what was recorded as 16-bit WAV of one channel.

import { receives } from "./files.js";

const LONGEST = 60; // seconds

export function recorded(make) {
  const input = make("input", { type: "file", accept: ".wav,.flac,.ogg,.mp3,audio/*", id: "file" });
  const button = make("button", { type: "button", id: "record" }, "Record");
  const heard = make("audio", { controls: true, hidden: true, id: "heard" });
  const level = make("meter", { min: 0, max: 1, value: 0, hidden: true, ariaLabel: "Loudness" });
  const said = make("p", { className: "soft", id: "said", role: "status" }, "or drop a recording here");
  const element = make("div", { className: "drop" },
    make("div", { className: "row" }, button, make("label", { className: "file" }, "Choose a recording", input)), said, level, heard);
  const made = { element, file: null, busy: () => stop !== null, finish: async () => stop && stop() };
  let stop = null;

  function take(file, text) {
    if (!file) return;
    made.file = file;
    URL.revokeObjectURL(heard.src);
    heard.src = URL.createObjectURL(file);
    heard.hidden = false;
    said.textContent = text ?? file.name;
  }

  async function begin() {
    if (!navigator.mediaDevices?.getUserMedia) {
      said.textContent = "This browser records only over HTTPS or on this machine; choose a file instead.";
      return;
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (reason) {
      said.textContent = reason.name === "NotFoundError" ? "There is no microphone; choose a file instead." : "The microphone was not allowed; choose a file instead.";
      return;
    }
    const recorder = new MediaRecorder(stream), pieces = [], context = new AudioContext(), watch = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(watch);
    recorder.addEventListener("dataavailable", (event) => event.data.size && pieces.push(event.data));
    const ended = new Promise((done) => recorder.addEventListener("stop", done));
    const began = performance.now(), wave = new Float32Array(watch.fftSize);
    const clock = setInterval(() => {
      watch.getFloatTimeDomainData(wave);
      level.value = Math.min(1, 3 * Math.sqrt(wave.reduce((sum, v) => sum + v * v, 0) / wave.length));
      const seconds = (performance.now() - began) / 1000;
      said.textContent = `Recording, ${seconds.toFixed(1)} s`;
      if (seconds > LONGEST) stop();
    }, 100);
    recorder.start();
    level.hidden = false;
    button.textContent = "Stop";
    button.classList.add("recording");
    stop = async () => {
      stop = null;
      clearInterval(clock);
      recorder.stop();
      await ended;
      for (const track of stream.getTracks()) track.stop();
      button.textContent = "Record again";
      button.classList.remove("recording");
      level.hidden = true;
      try {
        const sound = await context.decodeAudioData(await new Blob(pieces, { type: recorder.mimeType }).arrayBuffer());
        take(new File([wav(sound)], "recording.wav", { type: "audio/wav" }), `Recorded, ${sound.duration.toFixed(1)} s`);
      } catch {
        said.textContent = "Nothing was recorded; try again.";
      }
      context.close();
    };
  }

  let working = false;
  button.addEventListener("click", async () => {
    if (working) return; // a button that is disabled would lose the keyboard
    working = true;
    await (stop ? stop() : begin());
    working = false;
  });
  receives(element, input, take);
  return made;
}

// The mean of the channels as a WAV file.
export function wav(sound) {
  const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i));
  const bytes = new DataView(new ArrayBuffer(44 + 2 * sound.length)), rate = sound.sampleRate;
  const text = (at, letters) => [...letters].forEach((letter, i) => bytes.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); bytes.setUint32(4, 36 + 2 * sound.length, true); text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true); bytes.setUint16(20, 1, true); bytes.setUint16(22, 1, true);
  bytes.setUint32(24, rate, true); bytes.setUint32(28, 2 * rate, true); bytes.setUint16(32, 2, true); bytes.setUint16(34, 16, true);
  text(36, "data"); bytes.setUint32(40, 2 * sound.length, true);
  for (let i = 0; i < sound.length; i++) {
    const value = channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length;
    bytes.setInt16(44 + 2 * i, Math.round(Math.max(-1, Math.min(1, value)) * 32767), true);
  }
  return bytes.buffer;
}
