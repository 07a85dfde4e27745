// What somebody does in a room, as calls. A refusal is said in words, and nothing else comes of it.

import { CODE, OFF, ON } from './api.js';
import { refusal } from './words.js';
import { notify } from './view/notice.js';

/** Milliseconds after which an invitation that nobody answered is shown as open no more. */
const INVITED = 60_000;

/** The acts of one member in one room. Tells `changed` where what it knows beside the roster changes. */
export class Acts extends EventTarget {
  #api;
  #roster;
  #voice;
  #roomId;
  #invited = new Map();

  constructor(api, roster, voice, roomId) {
    super();
    this.#api = api;
    this.#roster = roster;
    this.#voice = voice;
    this.#roomId = roomId;
  }

  // One's own.

  raiseHand() {
    return this.#do('operate_raise_hand', { type: ON });
  }

  lowerOwnHand() {
    return this.#do('operate_raise_hand', { type: OFF });
  }

  /** Silent at once, whatever becomes of the call. */
  muteSelf() {
    this.#voice.hush();
    return this.#mic(this.#roster.me.uid, OFF);
  }

  async unmuteSelf() {
    if (!this.#voice.publishes) await this.#voice.publish();
    if (!this.#voice.publishes) return false;
    const { uid } = this.#roster.me;
    return this.#mic(uid, ON, () => {
      this.#roster.heldMuted(uid);
      this.dispatchEvent(new Event('changed'));
      return 'The host holds your microphone muted.';
    });
  }

  stepDown() {
    return this.#toListener(this.#roster.me.uid);
  }

  answer(token, accepts) {
    return this.#do('response_onstage_invite', { invite_token: token, respond: accepts ? ON : OFF });
  }

  /** A host who quits closes the room. */
  quit() {
    return this.#do('quit_room');
  }

  // The host's.

  async invite(uid) {
    if (await this.#do('invite_onstage', { target_uid: uid })) this.#invite(uid);
  }

  async withdraw(uid) {
    if (await this.#do('x/withdraw_invite', { target_uid: uid })) this.answered(uid);
  }

  lowerHand(uid) {
    return this.#do('x/lower_hand', { target_uid: uid });
  }

  lowerAllHands() {
    return this.#do('x/lower_all_hands');
  }

  takeOff(uid) {
    return this.#toListener(uid);
  }

  mute(uid) {
    return this.#mic(uid, OFF);
  }

  /** Its owner decides from then on; the host can switch nobody's microphone on. */
  liftMute(uid) {
    return this.#mic(uid, ON, () => 'They muted themselves. Only they can unmute.');
  }

  muteAll() {
    return this.#do('x/mute_all');
  }

  /** Takes somebody out, and keeps them out for so many seconds. */
  remove(uid, seconds) {
    return this.#do('x/remove_member', { target_uid: uid, ban_seconds: seconds });
  }

  makeHost(uid) {
    return this.#do('x/transfer_host', { target_uid: uid });
  }

  closeRoom() {
    return this.#do('close_room');
  }

  /** Whether somebody was invited, and has not answered yet. */
  isInvited(uid) {
    return this.#invited.has(uid);
  }

  /** An invitation was answered, or is no more. */
  answered(uid) {
    clearTimeout(this.#invited.get(uid));
    if (this.#invited.delete(uid)) this.dispatchEvent(new Event('changed'));
  }

  stop() {
    for (const timer of this.#invited.values()) clearTimeout(timer);
  }

  #invite(uid) {
    clearTimeout(this.#invited.get(uid));
    this.#invited.set(uid, setTimeout(() => this.answered(uid), INVITED));
    this.dispatchEvent(new Event('changed'));
  }

  #toListener(uid) {
    return this.#do('set_user_info', { target_uid: uid, type: 2, on_stage: OFF });
  }

  #mic(uid, mic, notPermitted) {
    return this.#do('set_user_info', { target_uid: uid, type: 1, mic }, notPermitted);
  }

  /** Whether it was done. `notPermitted` says what it means here that it may not be. */
  async #do(method, body = {}, notPermitted = null) {
    try {
      await this.#api.call(method, { room_id: this.#roomId, ...body });
      return true;
    } catch (refused) {
      const own = refused.code === CODE.notPermitted && notPermitted;
      notify(own ? own() : refusal(refused));
      return false;
    }
  }
}
