// The page: who somebody is, and whether they are in the lobby or in a room. The room's number is the address's fragment.

import { alone } from './alone.js';
import { Api, CODE } from './api.js';
import { lobby } from './lobby.js';
import { login } from './login.js';
import { Presence } from './presence.js';
import { Room } from './room.js';
import { end, refusal } from './words.js';
import { open } from './view/dialog.js';
import { notify, problem } from './view/notice.js';

const place = document.getElementById('view');
const api = new Api();
const presence = new Presence(api);
let view = null;
let room = null;
/** Lets go of being the one page that is in a room. */
let release = () => {};
/** Counted up whenever somebody goes elsewhere, so that what was under way doesn't come after. */
let going = 0;

api.addEventListener('signed_out', () => {
  toLogin();
  problem('ended', refusal({ code: CODE.notLoggedIn }));
});
presence.addEventListener('gone', ({ detail: { code } }) => room?.gone(code));
window.addEventListener('hashchange', navigated);
start();

function start() {
  if (!api.session) return toLogin();
  return wanted() ? enter(wanted()) : toLobby();
}

/** The room that the address names. */
function wanted() {
  return /^#(\d{9})$/.exec(window.location.hash)?.[1] ?? '';
}

function name(roomId) {
  const address = roomId ? `#${roomId}` : window.location.pathname;
  if (wanted() !== roomId) history.pushState(null, '', address);
}

/** The address changed under us: a link was followed, or the way back. */
async function navigated() {
  if (!api.session || wanted() === (room?.roomId ?? '')) return;
  const next = wanted();
  if (room) {
    const { roomId } = room;
    name(roomId);
    if (!(await room.leave())) return;
  }
  if (next) await enter(next);
}

function show(next, focus = true) {
  view?.close();
  view = next;
  room = next instanceof Room ? next : null;
  place.replaceChildren(next.element);
  document.title = next.title === 'Welcome' ? 'GoChat' : `${next.title} · GoChat`;
  window.scrollTo(0, 0);
  if (focus) next.focus();
}

function leaveBehind() {
  going += 1;
  release();
  release = () => {};
}

function toLogin() {
  leaveBehind();
  presence.stop();
  show(login(api, { going: wanted(), done: () => { problem('ended', null); start(); } }));
}

function toLobby() {
  leaveBehind();
  name('');
  presence.in('');
  show(lobby(api, { created: ({ room_id }) => enter(room_id, { inside: true }), leave: logOut }));
}

async function logOut() {
  presence.stop();
  await api.logout();
  toLogin();
}

/** Enters a room, unless somebody is `inside` already; with `back` after having been lost. */
async function enter(roomId, { inside = false, back = false, steal = false } = {}) {
  leaveBehind();
  const mine = going;
  problem('ended', null);
  try {
    const lost = () => room?.roomId === roomId && elsewhere();
    const held = await alone(`gochat.room.${api.session.uid}`, { steal, lost });
    if (mine !== going) return held?.();
    if (!held) return await taken(roomId);
    release = held;
    if (!inside) await enterRoom(roomId);
    if (mine !== going) return;
    name(roomId);
    presence.in(roomId);
    show(new Room(api, roomId, (how) => ended(roomId, how)));
    if (back) notify('You were away for a while. You are back in the room.');
  } catch (refused) {
    if (mine !== going || !api.session) return;
    toLobby();
    problem('ended', refusal(refused));
  }
}

/** Who reloads the page is still in the room, with hand and seat: that is nothing to tell anybody. */
async function enterRoom(roomId) {
  try {
    await api.call('heartbeat', { room_id: roomId });
  } catch (refused) {
    if (refused.code !== CODE.notInRoom) throw refused;
    await api.call('login_room', { room_id: roomId }).catch((again) => {
      if (again.code !== CODE.alreadyInRoom) throw again;
    });
  }
}

/** A stay ended. Who was merely lost comes back by itself. */
async function ended(roomId, how) {
  if (how.reason === 'logged_out' || how.code === CODE.notLoggedIn) return api.session && api.logout().then(toLogin);
  if (how.reason === 'lost' || how.code === CODE.notInRoom) return enter(roomId, { back: true });
  toLobby();
  if (how.reason !== 'quit') problem('ended', end(how));
}

/** Another page of this session is in a room: it stays there, unless somebody wants it here. */
async function taken(roomId) {
  if (!view) toLobby();
  const here = await open({
    title: 'Open in another window',
    text: 'You are in a room in another window of this browser. You can go on here instead.',
    buttons: [{ words: 'Cancel', value: false }, { words: 'Use this window', value: true, kind: 'primary' }],
    cancelled: false,
  }).answer;
  if (here) await enter(roomId, { steal: true });
  else toLobby();
}

function elsewhere() {
  toLobby();
  problem('ended', end({ reason: 'replaced' }));
}
