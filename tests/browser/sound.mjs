// Sound in the browser tests: tones for microphones, and what is heard and sent in a page.

import { writeFile } from 'node:fs/promises';

const RATE = 48_000;
const SECONDS = 2;
/** Of the loudest that a sample can be. */
const LEVEL = 0.5;

/** Writes a WAV of a tone, which can be repeated without a click: mono, 16 bits. Gives its path. */
export async function tone(path, hertz) {
  const samples = RATE * SECONDS;
  const file = Buffer.alloc(44 + samples * 2);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + samples * 2, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(RATE * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(samples * 2, 40);
  for (let at = 0; at < samples; at += 1) {
    const value = Math.sin((2 * Math.PI * hertz * at) / RATE) * LEVEL;
    file.writeInt16LE(Math.round(value * 32_767), 44 + at * 2);
  }
  await writeFile(path, file);
  return path;
}

/** Runs in a page before all else: its connections are kept, and its microphone is not improved, since a tone is no voice. */
export function ears() {
  globalThis.peers = [];
  const Peer = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Peer {
    constructor(...given) {
      super(...given);
      globalThis.peers.push(this);
    }
  };
  const devices = navigator.mediaDevices;
  const asked = devices.getUserMedia.bind(devices);
  devices.getUserMedia = () => asked({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
}

/** The same for a page that lies: however often it is muted, it goes on sending. */
export function lyingEars() {
  const { get } = Object.getOwnPropertyDescriptor(MediaStreamTrack.prototype, 'enabled');
  Object.defineProperty(MediaStreamTrack.prototype, 'enabled', { get, set() {} });
}

/** The same in a browser that plays nothing before the page was touched. (What drives it counts as a touch to the real one.) */
export function untouched() {
  const { play } = HTMLMediaElement.prototype;
  Object.defineProperty(HTMLMediaElement.prototype, 'autoplay', { set() {} });
  let touched = false;
  window.addEventListener('pointerdown', () => { touched = true; }, true);
  HTMLMediaElement.prototype.play = function held() {
    return touched ? play.call(this) : Promise.reject(new DOMException('not touched', 'NotAllowedError'));
  };
}

/** The same where datagrams go astray: to the port of this machine that `globalThis.astray(port)` names for the server's. */
export function strays() {
  const { setRemoteDescription } = RTCPeerConnection.prototype;
  const candidate = /^(a=candidate:\S+ \d+ udp \d+) \S+ (\d+)/im;
  RTCPeerConnection.prototype.setRemoteDescription = async function astray({ type, sdp }) {
    const port = await globalThis.astray(Number(candidate.exec(sdp)[2]));
    const everyOne = new RegExp(candidate, 'gim');
    return setRemoteDescription.call(this, { type, sdp: sdp.replace(everyOne, `$1 127.0.0.1 ${port}`) });
  };
}

/** What a page hears: of each slot that isn't silent the loudest frequency in hertz, ascending. */
export function hears(page) {
  return page.evaluate(async () => {
    globalThis.listening ??= { context: new AudioContext(), ears: new Map() };
    const { context, ears: known } = globalThis.listening;
    await context.resume();
    const heard = [];
    for (const audio of document.querySelectorAll('audio[data-slot]')) {
      if (audio.paused) continue;
      if (!known.has(audio.srcObject)) {
        const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
        context.createMediaStreamSource(audio.srcObject).connect(analyser);
        known.set(audio.srcObject, analyser);
      }
      const analyser = known.get(audio.srcObject);
      const levels = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(levels);
      const loudest = levels.reduce((best, level, at) => (level > levels[best] ? at : best), 0);
      const hertz = (loudest * context.sampleRate) / analyser.fftSize;
      if (levels[loudest] > -60) heard.push(Math.round(hertz));
    }
    return heard.sort((one, other) => one - other);
  });
}

/** Waits until a page hears these frequencies and no other; each may be off by a bin. */
export async function untilHears(page, wanted, patience = 15_000) {
  const until = Date.now() + patience;
  let heard;
  do {
    heard = await hears(page);
    const same = heard.length === wanted.length && heard.every((hertz, at) => Math.abs(hertz - wanted[at]) < 12);
    if (same) return;
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  } while (Date.now() < until);
  throw new Error(`hears ${JSON.stringify(heard)}, not ${JSON.stringify(wanted)}`);
}

/** When a packet came in last, of any slot but those that hear one of `others` (hertz); in milliseconds since 1970. */
export function packets(page) {
  return page.evaluate(async () => {
    const peer = globalThis.peers.at(-1);
    const stats = [...(await peer.getStats()).values()];
    const incoming = stats.filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio');
    const outgoing = stats.filter(({ type, kind }) => type === 'outbound-rtp' && kind === 'audio');
    return {
      now: Date.now(),
      received: Object.fromEntries(incoming.map(({ mid, packetsReceived, lastPacketReceivedTimestamp }) => (
        [mid, { packets: packetsReceived, last: lastPacketReceivedTimestamp ?? 0 }]))),
      sent: outgoing.reduce((sum, { packetsSent }) => sum + packetsSent, 0),
    };
  });
}
