// The page of a room: its head, its stage, raised hands, listeners, and the bar below.

import { isHost, isOnStage } from '../roster.js';
import { number } from '../words.js';
import { controls } from './controls.js';
import { h, show, text } from './element.js';
import { icon } from './icons.js';
import { hands, listeners } from './members.js';
import { notify } from './notice.js';
import { stage } from './stage.js';

/** The page. `update()` brings it up to date with the roster, `light()` with who speaks. */
export function roomPage({ roomId, self, roster, acts, voice, opens, leave }) {
  const canOpen = (member) => roster.iAmHost && member.uid !== self;
  const open = (member) => canOpen(member) && opens(member);
  const head = top(roomId);
  const parts = {
    stage: stage({ opens: open, canOpen, self, speaks: (uid) => voice.speaks(uid), isMutedByHost: (uid) => roster.isMutedByHost(uid) }),
    hands: hands({ acts, self }),
    listeners: listeners({ opens: open, acts, self }),
    controls: controls({ acts, leave }),
  };
  const body = h('div', { class: 'parts' }, parts.stage.element, parts.hands.element, parts.listeners.element);
  const loading = h('p', { class: 'quiet-words loading' }, 'Entering the room…');
  const element = h('div', { class: 'room' }, head.element, loading, body, parts.controls.element);
  const update = () => {
    const ready = Boolean(roster.me);
    for (const part of [body, parts.controls.element]) show(part, ready);
    show(loading, !ready);
    if (!ready) return;
    const { stage: up, hands: raised, listeners: rest } = roster;
    head.update(roster, up.length);
    parts.stage.update(up);
    parts.hands.update(raised, roster.iAmHost);
    parts.listeners.update(rest, Math.max(roster.count - up.length, 0), roster.iAmHost);
    parts.controls.update(roster);
  };
  update();
  return { element, update, light: parts.stage.light, close: () => element.remove() };
}

function top(roomId) {
  const subject = h('h1', { tabindex: '-1' }, 'Room');
  const about = h('p', { class: 'about' });
  const copy = h('button', { type: 'button', class: 'small quiet copy', onclick: copyLink }, icon('link'), h('span', {}, 'Copy link'));
  show(copy, Boolean(navigator.clipboard));
  const element = h('header', { class: 'top' }, h('div', { class: 'subject' }, subject, about), copy);
  const update = (roster, up) => {
    text(subject, roster.room?.subject ?? 'Room');
    const count = number(roster.count, 'person', 'people');
    text(about, `Room ${roomId} · ${count} · ${up.toLocaleString('en')} on stage · ${standing(roster.me)}`);
  };
  return { element, update };
}

function standing(me) {
  if (isHost(me)) return 'you host';
  return isOnStage(me) ? 'you are on stage' : 'you listen';
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(window.location.href);
    notify('The link to this room was copied.');
  } catch {
    notify('The browser lets this page copy nothing. The link is in the address bar.');
  }
}
