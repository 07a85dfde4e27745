// A stay in a room: its events and its sound, and what is seen of them.

import { Acts } from './acts.js';
import { RoomEvents } from './events.js';
import { invitation } from './invitation.js';
import { Roster } from './roster.js';
import { Voice } from './voice.js';
import { happened, noMicrophone, noSound } from './words.js';
import { closeAll, confirm } from './view/dialog.js';
import { memberMenu } from './view/menu.js';
import { notify, noProblems, problem } from './view/notice.js';
import { roomPage } from './view/page.js';

/** Milliseconds that a stream may be away before that is said: most come back sooner. */
const UNSAID = 1_500;
/** Milliseconds that a heartbeat which finds us gone waits for the stream to say why. */
const WHY = 1_500;
const INVITED = 6004;
const DECLINED = 6005;

/** One stay. `ended(how)` is called once, with { reason } or { code }; reason `quit` is one's own doing. */
export class Room {
  title = 'Room';
  #api;
  #roomId;
  #ended;
  #roster;
  #voice;
  #acts;
  #events;
  #page;
  #invitation;
  #unsaid = null;
  #over = false;
  #tap = () => this.#voice.unblock();

  constructor(api, roomId, ended) {
    [this.#api, this.#roomId, this.#ended] = [api, roomId, ended];
    const self = api.session.uid;
    this.#roster = new Roster(self);
    this.#voice = new Voice(api, this.#roster, document.getElementById('sound'));
    this.#acts = new Acts(api, this.#roster, this.#voice, roomId);
    this.#invitation = invitation(this.#acts, () => this.#roster.host?.nick_name ?? 'The host');
    this.#page = roomPage({
      roomId, self, roster: this.#roster, acts: this.#acts, voice: this.#voice,
      opens: (member) => memberMenu(member, { acts: this.#acts, roster: this.#roster }),
      leave: () => this.leave(),
    });
    this.#events = new RoomEvents(api, roomId);
    this.#listen();
    this.#voice.join(roomId);
  }

  get roomId() {
    return this.#roomId;
  }

  get element() {
    return this.#page.element;
  }

  focus() {
    this.#page.element.querySelector('h1').focus();
  }

  /** A heartbeat found that we are not in the room. */
  gone(code) {
    setTimeout(() => this.#end({ code }), WHY);
  }

  /** Leaves on request. A host is asked first: the room ends with the host's stay. */
  async leave() {
    const { iAmHost } = this.#roster;
    const sure = !iAmHost || await confirm({
      title: 'Close the room?',
      text: 'You are its host: it ends for everybody. To let it go on, make somebody else the host first.',
      words: 'Close room',
      stay: 'Stay',
    });
    if (!sure || this.#over) return false;
    this.#over = true;
    // Should the call not get through, the stay ends by itself: no heartbeat is sent for it any more.
    await (iAmHost ? this.#acts.closeRoom() : this.#acts.quit());
    this.#ended({ reason: 'quit' });
    return true;
  }

  close() {
    this.#over = true;
    clearTimeout(this.#unsaid);
    for (const type of ['pointerdown', 'keydown']) document.removeEventListener(type, this.#tap);
    this.#events.close();
    this.#voice.leave();
    this.#acts.stop();
    this.#invitation.close();
    this.#page.close();
    closeAll();
    noProblems();
  }

  #listen() {
    const on = (target, type, handle) => target.addEventListener(type, ({ detail }) => this.#over || handle(detail));
    on(this.#events, 'notification', (told) => this.#take(told));
    on(this.#events, 'media', (told) => this.#voice.take(told));
    on(this.#events, 'state', ({ open }) => this.#connection(open));
    on(this.#events, 'over', (how) => this.#end(how));
    on(this.#voice, 'speakers', () => this.#page.light());
    on(this.#voice, 'state', (state) => problem('sound', noSound(state)));
    on(this.#voice, 'microphone', ({ why }) => problem('microphone', why && noMicrophone(why)));
    on(this.#voice, 'blocked', () => this.#blocked());
    on(this.#voice, 'playing', () => this.#unblocked());
    on(this.#acts, 'changed', () => this.#page.update());
  }

  #take(told) {
    if (told.cmd === INVITED) return this.#invitation.open(told.data);
    if (told.cmd === DECLINED) {
      this.#acts.answered(told.data.uid);
      return notify(`${told.data.nick_name} declined the invitation.`);
    }
    const self = this.#api.session.uid;
    for (const event of this.#roster.apply(told)) {
      if (event.what === 'closed') return this.#end({ reason: 'room_closed' });
      if (event.what === 'left' && event.member.uid === self) continue;
      this.#heed(event, self);
      notify(happened(event, { uid: self, host: this.#roster.iAmHost }));
    }
    this.#title();
    this.#voice.follow();
    this.#page.update();
  }

  /** What ends an invitation: its person came up, went away, or a snapshot stands for what was missed. */
  #heed({ what, member }, self) {
    if (what === 'on_stage' || what === 'left' || what === 'host') this.#acts.answered(member.uid);
    if (what === 'snapshot' || (member?.uid === self && (what === 'on_stage' || what === 'host'))) {
      this.#invitation.close();
    }
  }

  #title() {
    this.title = this.#roster.room?.subject ?? 'Room';
    document.title = `${this.title} · GoChat`;
  }

  #connection(open) {
    clearTimeout(this.#unsaid);
    if (open) return problem('events', null);
    this.#unsaid = setTimeout(() => problem('events', 'The connection was lost. Reconnecting…'), UNSAID);
  }

  /** Browsers play no sound on a page that nobody has touched yet; any touch or key will do. */
  #blocked() {
    problem('blocked', 'The browser holds the sound back until you touch the page.', {
      words: 'Turn sound on',
      act: this.#tap,
    });
    for (const type of ['pointerdown', 'keydown']) document.addEventListener(type, this.#tap, { once: true });
  }

  #unblocked() {
    problem('blocked', null);
    for (const type of ['pointerdown', 'keydown']) document.removeEventListener(type, this.#tap);
  }

  #end(how) {
    if (this.#over) return;
    this.#over = true;
    this.#ended(how);
  }
}
