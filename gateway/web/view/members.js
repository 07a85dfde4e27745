// Raised hands in their order, and who listens.

import { number } from '../words.js';
import { attribute, h, keyed, show, text } from './element.js';
import { avatar } from './avatar.js';
import { icon } from './icons.js';

/** More listeners than this are counted, not shown. */
const SHOWN = 200;

/** Raised hands, the oldest first; the host invites and lowers right there. */
export function hands({ acts, self }) {
  const list = h('ol', { class: 'hands-list' });
  const heading = h('h2', { id: 'hands-title' }, 'Raised hands');
  const all = h('button', { type: 'button', class: 'small quiet', onclick: () => acts.lowerAllHands() }, 'Lower all');
  const none = h('p', { class: 'quiet-words' }, 'Nobody has a hand up.');
  const element = h('section', { class: 'hands', tabindex: '-1', 'aria-labelledby': heading.id },
    h('header', {}, heading, all), none, list);
  let host = false;
  const fill = keyed(list, (member) => member.uid, (member) => hand(member, acts, () => host));
  const update = (members, iAmHost) => {
    host = iAmHost;
    text(heading, members.length ? `Raised hands (${members.length})` : 'Raised hands');
    text(none, iAmHost ? 'Nobody has a hand up. You can invite any listener.' : 'Nobody has a hand up.');
    show(all, iAmHost && members.length > 1);
    show(none, members.length === 0);
    show(list, members.length > 0);
    fill(members);
    for (const member of members) {
      list.querySelector(`[data-uid="${member.uid}"]`).classList.toggle('mine', member.uid === self);
    }
  };
  return { element, update };
}

function hand(member, acts, iAmHost) {
  let now = member;
  const name = h('span', { class: 'name' });
  const invite = h('button', { type: 'button', class: 'small primary',
    onclick: () => (acts.isInvited(now.uid) ? acts.withdraw(now.uid) : acts.invite(now.uid)) });
  const lower = h('button', { type: 'button', class: 'small quiet', onclick: () => acts.lowerHand(now.uid) }, 'Lower');
  const buttons = h('span', { class: 'buttons' }, invite, lower);
  const element = h('li', { 'data-uid': member.uid }, avatar(member), name, buttons);
  const update = (next) => {
    now = next;
    const invited = acts.isInvited(next.uid);
    text(name, next.nick_name);
    text(invite, invited ? 'Withdraw' : 'Invite');
    invite.classList.toggle('primary', !invited);
    attribute(invite, 'aria-label', invited ? `Withdraw ${next.nick_name}’s invitation` : `Invite ${next.nick_name} on stage`);
    attribute(lower, 'aria-label', `Lower ${next.nick_name}’s hand`);
    show(buttons, iAmHost());
  };
  return { element, update };
}

/** Who listens; the host opens what can be done about each. */
export function listeners({ opens, acts, self }) {
  const list = h('ul', { class: 'listeners-list' });
  const heading = h('h2', { id: 'listeners-title' }, 'Listening');
  const more = h('p', { class: 'quiet-words' });
  const element = h('section', { class: 'listeners', tabindex: '-1', 'aria-labelledby': heading.id }, heading, list, more);
  let host = false;
  const can = (member) => host && member.uid !== self;
  const key = (member) => `${member.uid}${can(member) ? ' opens' : ''}`;
  const fill = keyed(list, key, (member) => listener(member, { opens, acts, self, can: can(member) }));
  const update = (members, count, iAmHost) => {
    host = iAmHost;
    text(heading, count ? `Listening (${count.toLocaleString('en')})` : 'Listening');
    fill(members.slice(0, SHOWN));
    const hidden = count - Math.min(members.length, SHOWN);
    show(list, members.length > 0);
    show(more, hidden > 0 || count === 0);
    text(more, count === 0 ? 'Nobody is listening yet.' : `and ${number(hidden, 'more listener')}`);
  };
  return { element, update };
}

function listener(member, { opens, acts, self, can }) {
  let now = member;
  const name = h('span', { class: 'name' });
  const hand = h('span', { class: 'badge' }, icon('hand'), h('span', { class: 'unseen' }, ', hand raised'));
  const invited = h('span', { class: 'badge words' }, 'invited');
  const opening = { type: 'button', 'aria-haspopup': 'dialog', onclick: () => opens(now) };
  const element = h(can ? 'button' : 'div', { class: 'listener', 'data-uid': member.uid, ...(can ? opening : {}) },
    avatar(member), name, hand, invited);
  const update = (next) => {
    now = next;
    text(name, next.uid === self ? `${next.nick_name} (you)` : next.nick_name);
    show(hand, next.raise_hand === 2);
    show(invited, acts.isInvited(next.uid));
  };
  return { element: h('li', {}, element), update };
}
