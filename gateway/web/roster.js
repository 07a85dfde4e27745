// Who is in a room and what they do there, from its notifications. Pure: no page, no network, no clock.

import { OFF, ON } from './api.js';

const LISTENER = 1;
const GUEST = 2;
const HOST = 3;
const SNAPSHOT = 6000;
const CHANGED = 6002;
const PASSED = 6003;
const CLOSED = 6006;
/** `type` of a change of somebody's microphone. */
const MICROPHONE = 2;

/** A room as it stands. `apply` takes what is told, and says in words of the field what that means. */
export class Roster {
  room = null;
  /** Whether all are known by name; a very large room tells of its stage and hands alone. */
  complete = true;
  #members = new Map();
  #mutedByHost = new Set();
  #self;

  constructor(self) {
    this.#self = self;
  }

  get me() {
    return this.#members.get(this.#self) ?? null;
  }

  get host() {
    return [...this.#members.values()].find(isHost) ?? null;
  }

  get iAmHost() {
    return isHost(this.me);
  }

  /** The host, and then guest speakers, as they came up. */
  get stage() {
    const guests = [...this.#members.values()].filter((member) => member.role === GUEST);
    const host = this.host;
    return [...(host ? [host] : []), ...by('onstage_timestamp', guests)];
  }

  /** Raised hands, the oldest first. */
  get hands() {
    return by('raise_hand_timestamp', [...this.#members.values()].filter((member) => member.raise_hand === ON));
  }

  get listeners() {
    return by('login_timestamp', [...this.#members.values()].filter((member) => member.role === LISTENER));
  }

  get count() {
    return this.complete ? this.#members.size : Math.max(this.room?.online_count ?? 0, this.#members.size);
  }

  member(uid) {
    return this.#members.get(uid) ?? null;
  }

  /** Whether the host holds somebody's microphone off, as far as it was seen. */
  isMutedByHost(uid) {
    return this.#mutedByHost.has(uid);
  }

  /** The host turned down a microphone of ours that we tried to switch on. */
  heldMuted(uid) {
    this.#mutedByHost.add(uid);
  }

  /** Takes a notification. Gives what happened, each as { what, member, by }. */
  apply({ cmd, data }) {
    switch (cmd) {
      case SNAPSHOT: return this.#snapshot(data);
      case CHANGED: return data.users.flatMap((user) => this.#changed(user, data));
      case PASSED: return data.users.map((user) => this.#passed(user));
      case CLOSED: return [{ what: 'closed', by: data.operator_uid }];
      default: return [];
    }
  }

  #snapshot({ room, attendee_list, complete }) {
    this.room = room;
    this.complete = complete !== false;
    this.#members = new Map(attendee_list.map((member) => [member.uid, member]));
    for (const uid of this.#mutedByHost) if (this.member(uid)?.mic !== OFF) this.#mutedByHost.delete(uid);
    return [{ what: 'snapshot' }];
  }

  #passed(user) {
    const { type: _, delta, ...member } = user;
    this.#mutedByHost.delete(member.uid);
    if (delta < 0) {
      this.#members.delete(member.uid);
      return { what: 'left', member };
    }
    this.#members.set(member.uid, member);
    return { what: 'joined', member };
  }

  #changed(member, { type, operator_uid: by }) {
    const before = this.#members.get(member.uid);
    this.#members.set(member.uid, member);
    const happened = this.#stageOf(before, member) ?? this.#handOf(before, member);
    if (happened) return [{ what: happened, member, by }];
    const mic = type === MICROPHONE ? this.#micOf(before, member, by) : null;
    return mic ? [{ what: mic, member, by }] : [];
  }

  #stageOf(before, member) {
    if (before?.role === member.role) return null;
    this.#mutedByHost.delete(member.uid);
    if (member.role === HOST) return 'host';
    if (member.role === GUEST) return before?.role === HOST ? 'host_no_more' : 'on_stage';
    return before ? 'off_stage' : null;
  }

  #handOf(before, member) {
    const [was, is] = [before?.raise_hand === ON, member.raise_hand === ON];
    if (was === is) return null;
    return is ? 'hand_raised' : 'hand_lowered';
  }

  /** A microphone that the host switches off is held off until the host lifts that; its owner then decides. */
  #micOf(before, member, by) {
    if (member.mic === ON) {
      this.#mutedByHost.delete(member.uid);
      return 'unmuted';
    }
    if (by === member.uid) return 'muted';
    if (before?.mic === OFF && this.#mutedByHost.delete(member.uid)) return 'mute_lifted';
    this.#mutedByHost.add(member.uid);
    return 'muted_by_host';
  }
}

export function isHost(member) {
  return member?.role === HOST;
}

export function isOnStage(member) {
  return member?.role === HOST || member?.role === GUEST;
}

function by(time, members) {
  return members.sort((one, other) => one[time] - other[time]);
}
