// Voice, as a media SDK's small interface: join, publish, stop, mute, events.
//
//     const media = new Media(api);
//     media.addEventListener('state', ({ detail }) => show(detail));
//     await media.join(roomId);      // hears whoever is on stage
//     media.publish(track);          // is heard, as far as the room's stage lets it
//     media.mute(true);              // sends silence; nothing is asked of the device again
//     media.stop();                  // publishes no more
//     media.leave();

const FIRST_DELAY = 500;
const MOST_DELAY = 15_000;
/** Milliseconds that the way to the media server may take to be found. */
const CONNECT_TIME = 10_000;
/** Milliseconds that a way which is interrupted may take to mend itself. */
const MEND_TIME = 4_000;
/** Milliseconds over which a room's members spread who all have to join anew. */
const SPREAD = 800;
const SLOTS = 10;

/**
 * A member's media in one room. Tells:
 * `state` { state, why }: `connecting`, `connected`, `lost` (why `no_way`, `interrupted` or `refused`; it tries again),
 *   `unavailable` (why `none` or `provider`; it doesn't), `left`;
 * `slot` { slot, stream }: what is heard in a slot; who that is, the room's `media` events say.
 */
export class Media extends EventTarget {
  #api;
  #roomId = null;
  #peer = null;
  #sender = null;
  #track = null;
  #muted = false;
  #location = null;
  #joining = 0;
  #failed = 0;
  #timer = null;
  #state = 'left';

  constructor(api) {
    super();
    this.#api = api;
  }

  get state() {
    return this.#state;
  }

  /** Opens the room's media, and keeps it open until `leave`. */
  async join(roomId) {
    this.#roomId = roomId;
    this.#failed = 0;
    await this.#open();
  }

  /** Joins anew, as where the room's media has gone to another server: in a moment, since all of the room do. */
  rejoin() {
    if (!this.#roomId || this.#state === 'unavailable') return;
    this.#drop();
    this.#failed = 0;
    this.#tell('connecting');
    this.#timer = setTimeout(() => this.#open(), Math.random() * SPREAD);
  }

  /** Sends a microphone's track, from now on and whenever the media is joined anew. */
  publish(track) {
    this.#track = track;
    this.mute(this.#muted);
    return this.#sender?.replaceTrack(track);
  }

  /** Publishes no more, and lets go of the microphone. */
  stop() {
    this.#track?.stop();
    this.#track = null;
    return this.#sender?.replaceTrack(null);
  }

  /** Sends silence, or the microphone again. */
  mute(muted) {
    this.#muted = muted;
    if (this.#track) this.#track.enabled = !muted;
  }

  /** Ends it all. */
  leave() {
    this.#roomId = null;
    this.#drop();
    this.stop();
    this.#tell('left');
  }

  async #open() {
    this.#drop();
    const joining = this.#joining;
    const given = () => joining !== this.#joining;
    this.#tell('connecting');
    try {
      const info = await this.#api.mediaInfo(this.#roomId);
      if (given()) return;
      if (!info) return this.#tell('unavailable', 'none');
      if (info.engine && info.engine !== 'embedded') return this.#tell('unavailable', 'provider');
      await this.#negotiate(info, given);
    } catch (refused) {
      if (!given()) this.#refused(refused);
    }
  }

  async #negotiate({ ice_servers = [], slots = SLOTS }, given) {
    const peer = new RTCPeerConnection({ iceServers: ice_servers.map(iceServer), bundlePolicy: 'max-bundle' });
    this.#peer = peer;
    this.#sender = peer.addTransceiver('audio', { direction: 'sendonly' }).sender;
    this.#receive(peer, slots || SLOTS);
    this.#watch(peer);
    await this.#sender.replaceTrack(this.#track);
    await peer.setLocalDescription(await peer.createOffer());
    if (given()) return;
    const { answer, location } = await this.#api.openMedia(this.#roomId, peer.localDescription.sdp);
    if (given()) {
      if (location) this.#api.closeMedia(location);
      return;
    }
    this.#location = location;
    await peer.setRemoteDescription({ type: 'answer', sdp: answer });
  }

  /** Receiving lines, once for all: the k-th is slot k, whoever is heard there. */
  #receive(peer, slots) {
    for (let slot = 0; slot < slots; slot += 1) {
      const { receiver } = peer.addTransceiver('audio', { direction: 'recvonly' });
      const stream = new MediaStream([receiver.track]);
      this.dispatchEvent(new CustomEvent('slot', { detail: { slot, stream } }));
    }
  }

  #watch(peer) {
    let was = false;
    const give = (why) => peer === this.#peer && this.#lost(why);
    const within = (time, why) => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => give(why), time);
    };
    within(CONNECT_TIME, 'no_way');
    peer.addEventListener('connectionstatechange', () => {
      if (peer !== this.#peer) return;
      if (peer.connectionState === 'connected') {
        clearTimeout(this.#timer);
        was = true;
        this.#failed = 0;
        this.#tell('connected');
      }
      if (peer.connectionState === 'disconnected') within(MEND_TIME, 'interrupted');
      if (['failed', 'closed'].includes(peer.connectionState)) give(was ? 'interrupted' : 'no_way');
    });
  }

  #refused(refused) {
    // A room that is gone, or a stay that ended: the room's events say so, and whether to come again.
    const waits = refused.retryAfter ? refused.retryAfter * 1000 : 0;
    this.#lost(refused.code === 0 && refused.status === 0 ? 'interrupted' : 'refused', waits);
  }

  #lost(why, least = 0) {
    this.#drop();
    this.#tell('lost', why);
    const delay = Math.min(FIRST_DELAY * 2 ** this.#failed, MOST_DELAY) * (0.5 + Math.random() / 2);
    this.#failed += 1;
    this.#timer = setTimeout(() => this.#open(), Math.max(delay, least));
  }

  #drop() {
    this.#joining += 1;
    clearTimeout(this.#timer);
    const [peer, location] = [this.#peer, this.#location];
    [this.#peer, this.#sender, this.#location] = [null, null, null];
    peer?.close();
    if (location) this.#api.closeMedia(location);
  }

  #tell(state, why = null) {
    this.#state = state;
    this.dispatchEvent(new CustomEvent('state', { detail: { state, why } }));
  }
}

function iceServer({ urls, username, credential }) {
  return username ? { urls, username, credential } : { urls };
}
