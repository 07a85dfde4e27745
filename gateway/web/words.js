// What is said to people, in whole sentences: refusals, ends, and what is wrong with the sound.

import { CODE } from './api.js';

const REFUSALS = {
  [CODE.nickNameInUse]: 'Somebody has this name already. Try another.',
  [CODE.roomNotFound]: 'This room does not exist any more.',
  [CODE.roomFull]: 'This room is full.',
  [CODE.stageFull]: 'Every seat on stage is taken.',
  [CODE.notPermitted]: 'You may not do this.',
  [CODE.notInRoom]: 'They are not in the room any more.',
  [CODE.notLoggedIn]: 'You were away for too long. Choose a name again.',
  [CODE.invitationInvalid]: 'This invitation is not good any more.',
  [CODE.banned]: 'The host keeps you out of this room.',
};

/** Why a call was turned down. */
export function refusal(refused) {
  if (refused.status === 429) return 'That was a little fast. Wait a moment, then try again.';
  if (refused.code in REFUSALS) return REFUSALS[refused.code];
  if (refused.mayPass) return 'The server does not answer right now. Try again in a moment.';
  return refused.message || 'That did not work.';
}

const ENDS = {
  room_closed: 'The room was closed.',
  removed: 'The host removed you from the room.',
  replaced: 'You entered this room from another window.',
  logged_out: 'You were logged out.',
  left: 'You left the room.',
  ended: 'Your stay in the room ended.',
};

/** Why a stay in a room ended. */
export function end({ reason, code }) {
  if (code === CODE.roomNotFound) return ENDS.room_closed;
  if (code === CODE.notInRoom) return ENDS.ended;
  if (code) return REFUSALS[code] ?? ENDS.ended;
  return ENDS[reason] ?? ENDS.ended;
}

const MICROPHONE = {
  denied: 'The browser may not use your microphone. Allow it for this page, then unmute.',
  missing: 'No microphone was found. Connect one, then unmute.',
  busy: 'The microphone can’t be used; another program may have it. Free it, then unmute.',
  insecure: 'Browsers give the microphone to pages on HTTPS or localhost only. You can listen all the same.',
};

/** Why nobody can hear the caller. */
export function noMicrophone(why) {
  return MICROPHONE[why] ?? MICROPHONE.busy;
}

const SOUND = {
  no_way: 'No sound: your network lets no voice traffic (UDP) through to the server. Trying again…',
  interrupted: 'The sound was interrupted. Connecting again…',
  refused: 'The server can’t carry your sound right now. Trying again…',
  none: 'This server carries no voice. You can see the room, but not hear it.',
  provider: 'This server’s voice is carried by another provider, which this page does not speak to.',
};

/** What is wrong with the sound; null where nothing is. */
export function noSound({ state, why }) {
  return state === 'lost' || state === 'unavailable' ? SOUND[why] ?? SOUND.interrupted : null;
}

const HAPPENED = {
  hand_raised: (name) => `${name} raised a hand.`,
  on_stage: (name) => `${name} came on stage.`,
  off_stage: (name) => `${name} left the stage.`,
  host: (name) => `${name} is the host now.`,
};

const HAPPENED_TO_ME = {
  on_stage: 'You are on stage. Everybody can hear you.',
  off_stage: 'You left the stage.',
  taken_off: 'The host took you off the stage.',
  muted_by_host: 'The host muted you.',
  mute_lifted: 'The host lets you unmute again.',
  host: 'You are the host now.',
  host_no_more: 'You handed the room over.',
  hand_lowered: 'Your hand was lowered.',
};

/** What happened, as it is announced to `self`; null where it isn't. A hand is a matter of the host's. */
export function happened({ what, member, by }, { uid: self, host }) {
  if (what === 'hand_raised' && !host) return null;
  if (member?.uid !== self) return HAPPENED[what]?.(member.nick_name) ?? null;
  if (what === 'off_stage' && by !== self) return HAPPENED_TO_ME.taken_off;
  if (what === 'hand_lowered' && by === self) return null;
  return HAPPENED_TO_ME[what] ?? null;
}

/** A number of people: `1 listener`, `2 listeners`. */
export function number(count, one, many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
