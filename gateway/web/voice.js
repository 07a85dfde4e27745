// Keeps what is sent in step with the stage: on stage the microphone is published, and muted as the room says.

import { OFF, ON } from './api.js';
import { Media } from './media.js';
import { microphone } from './microphone.js';
import { Playback } from './playback.js';
import { isOnStage } from './roster.js';

/**
 * The sound of one stay in a room. Tells `state` { state, why } of the media, `microphone` { why } where there is none
 * (why null: there is one), `blocked` and `playing` of the playback, and `speakers`.
 */
export class Voice extends EventTarget {
  #api;
  #roster;
  #media;
  #playback;
  #speaking = new Map();
  #publishing = false;
  #asking = false;
  #hushed = false;
  #left = false;

  constructor(api, roster, place) {
    super();
    this.#api = api;
    this.#roster = roster;
    this.#media = new Media(api);
    this.#playback = new Playback(place);
    this.#media.addEventListener('slot', ({ detail }) => this.#playback.play(detail.slot, detail.stream));
    this.#media.addEventListener('state', ({ detail }) => this.#tell('state', detail));
    for (const type of ['blocked', 'playing']) this.#playback.addEventListener(type, () => this.#tell(type));
  }

  join(roomId) {
    return this.#media.join(roomId);
  }

  /** Whether somebody speaks right now. */
  speaks(uid) {
    return this.#speaking.get(uid)?.speaking ?? false;
  }

  /** A `media` event of the room. */
  take({ speakers, ended }) {
    if (ended === 'moved') return this.#media.rejoin();
    if (!speakers) return;
    this.#speaking = new Map(speakers.map((speaker) => [speaker.uid, speaker]));
    this.#tell('speakers');
  }

  /** Goes with the caller's own standing, after each change of it. */
  async follow() {
    const me = this.#roster.me;
    if (!me || this.#left) return;
    if (me.mic !== ON) this.#hushed = false;
    this.#mute();
    if (!isOnStage(me)) return this.#stop();
    if (!this.#publishing) await this.publish();
  }

  /** Asks for the microphone and publishes it. A speaker without one is shown as muted to all. */
  async publish() {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const track = await microphone();
      if (this.#left || !isOnStage(this.#roster.me)) return track.stop();
      track.addEventListener('ended', () => this.#gone('busy'));
      await this.#media.publish(track);
      this.#publishing = true;
      this.#tell('microphone', { why: null });
    } catch (error) {
      this.#gone(error.why ?? 'busy');
    } finally {
      this.#asking = false;
    }
    this.#mute();
  }

  /** Silent at once, and until the room has been told: whatever else happens meanwhile changes nothing. */
  hush() {
    this.#hushed = true;
    this.#mute();
  }

  get publishes() {
    return this.#publishing;
  }

  unblock() {
    return this.#playback.unblock();
  }

  leave() {
    this.#left = true;
    this.#media.leave();
    this.#playback.stop();
  }

  #mute() {
    this.#media.mute(this.#hushed || this.#roster.me?.mic !== ON);
  }

  #stop() {
    if (!this.#publishing) return;
    this.#publishing = false;
    this.#media.stop();
    this.#tell('microphone', { why: null });
  }

  #gone(why) {
    this.#publishing = false;
    if (this.#left || !isOnStage(this.#roster.me)) return;
    this.#tell('microphone', { why });
    const { uid, room_id, mic } = this.#roster.me;
    // Should this fail, others believe in a microphone that is silent: no harm is done.
    if (mic === ON) this.#api.call('set_user_info', { room_id, target_uid: uid, type: 1, mic: OFF }).catch(() => {});
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
