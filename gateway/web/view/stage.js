// The stage: the host and guest speakers, each in a ring that glows while they speak.

import { ON } from '../api.js';
import { isHost } from '../roster.js';
import { h, keyed, text } from './element.js';
import { avatar } from './avatar.js';
import { icon, redraw } from './icons.js';

/** The stage. `opens(member)` opens what can be done about somebody; of whom `canOpen` says no is no button. */
export function stage({ opens, canOpen, isMutedByHost, speaks, self }) {
  const list = h('ul', { class: 'seats' });
  const key = (member) => `${member.uid}${canOpen(member) ? ' opens' : ''}`;
  const fill = keyed(list, key, (member) => seat(member, { opens, isMutedByHost, self, can: canOpen(member) }));
  const heading = h('h2', { id: 'stage-title' }, 'On stage');
  const element = h('section', { class: 'stage', tabindex: '-1', 'aria-labelledby': heading.id }, heading, list);
  let shown = [];
  const light = () => {
    for (const { uid, mic } of shown) {
      const ring = list.querySelector(`[data-uid="${uid}"]`);
      if (ring) lit(ring, mic === ON && speaks(uid));
    }
  };
  const update = (members) => {
    shown = members;
    fill(members);
    light();
  };
  return { element, update, light };
}

function lit(ring, speaking) {
  ring.classList.toggle('speaking', speaking);
  text(ring.querySelector('.says'), speaking ? ', speaking' : '');
}

function seat(member, { opens, isMutedByHost, self, can }) {
  let now = member;
  const name = h('span', { class: 'name' });
  const role = h('span', { class: 'role' });
  const mic = icon('mic');
  const micWords = h('span', { class: 'unseen' });
  const opening = { type: 'button', 'aria-haspopup': 'dialog', onclick: () => opens(now) };
  const element = h(can ? 'button' : 'div', { class: 'seat', 'data-uid': member.uid, ...(can ? opening : {}) },
    h('span', { class: 'ring' }, avatar(member), h('span', { class: 'mic' }, mic)),
    name, role, micWords, h('span', { class: 'unseen says' }));
  const update = (next) => {
    now = next;
    const on = next.mic === ON;
    text(name, next.nick_name);
    text(role, `${isHost(next) ? 'Host' : 'Guest'}${next.uid === self ? ' · you' : ''}`);
    redraw(mic, on ? 'mic' : 'muted');
    text(micWords, on ? ', microphone on' : isMutedByHost(next.uid) ? ', muted by the host' : ', muted');
    element.classList.toggle('host', isHost(next));
    element.classList.toggle('off', !on);
  };
  return { element: h('li', {}, element), update };
}
