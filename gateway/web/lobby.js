// The lobby: open rooms as they come and go, and a new one.

import { number, refusal } from './words.js';
import { attribute, h, keyed, show, text } from './view/element.js';
import { avatar } from './view/avatar.js';
import { icon } from './view/icons.js';
import { problem } from './view/notice.js';

/** Milliseconds between two looks at the list. */
const EVERY = 2_000;
const COUNT = 1_000;

/** The lobby. `enter(room)` is called with a room that was made, `leave()` to be somebody else. */
export function lobby(api, { created, leave }) {
  const list = h('ul', { class: 'rooms' });
  const fill = keyed(list, (room) => room.room_id, card);
  const none = h('p', { class: 'quiet-words' }, 'No room is open. Create the first one.');
  const heading = h('h2', { id: 'rooms-title' }, 'Open rooms');
  show(none, false);
  const element = h('div', { class: 'lobby' },
    header(api.session, leave),
    creation(api, created),
    h('section', { tabindex: '-1', 'aria-labelledby': heading.id }, heading, none, list));
  const shown = (rooms) => {
    fill(rooms);
    show(none, rooms.length === 0);
    text(heading, rooms.length ? `Open rooms (${rooms.length})` : 'Open rooms');
  };
  const looking = look(api, shown);
  return { element, title: 'Lobby', focus: () => element.querySelector('h1').focus(), close: () => looking.stop() };
}

function header({ uid, nick_name }, leave) {
  const who = h('span', { class: 'who' }, avatar({ uid, nick_name }), h('span', { class: 'name' }, nick_name));
  return h('header', { class: 'top' },
    h('h1', { tabindex: '-1' }, icon('wave'), 'GoChat'),
    h('div', { class: 'buttons' }, who, h('button', { type: 'button', class: 'small quiet', onclick: leave }, 'Log out')));
}

function creation(api, created) {
  const wrong = h('p', { class: 'wrong', id: 'subject-wrong', role: 'alert' });
  const subject = h('input', {
    id: 'subject', name: 'subject', required: true, maxlength: 64, autocomplete: 'off',
    placeholder: 'What is it about?', 'aria-describedby': 'subject-wrong',
  });
  const button = h('button', { class: 'primary' }, icon('plus'), 'Create room');
  const submit = async (event) => {
    event.preventDefault();
    const about = subject.value.trim();
    if (!about) return subject.focus();
    button.disabled = true;
    text(wrong, '');
    try {
      created(await api.call('create_room', { subject: about }));
    } catch (refused) {
      text(wrong, refusal(refused));
      subject.focus();
    } finally {
      button.disabled = false;
    }
  };
  return h('form', { class: 'card create', onsubmit: submit },
    h('label', { for: 'subject' }, 'A new room'),
    h('div', { class: 'row' }, subject, button),
    wrong);
}

function card(room) {
  const subject = h('span', { class: 'subject' });
  const host = h('span', { class: 'by' });
  const counts = h('span', { class: 'counts' });
  const link = h('a', { class: 'card room-card', href: `#${room.room_id}` },
    avatar({ uid: room.creator_id, nick_name: room.creator_name }),
    h('span', { class: 'about' }, subject, host), counts);
  const update = ({ subject: about, creator_name, online_count, on_stage_count }) => {
    text(subject, about);
    text(host, `Host ${creator_name}`);
    text(counts, `${number(online_count, 'person', 'people')} · ${on_stage_count.toLocaleString('en')} on stage`);
    attribute(link, 'data-room', room.room_id);
  };
  return { element: h('li', {}, link), update };
}

/** Looks at the list again and again while the page is looked at. */
function look(api, shown) {
  let [timer, stopped] = [null, false];
  const again = async () => {
    clearTimeout(timer);
    if (stopped || document.hidden) return;
    let wait = EVERY;
    try {
      const { room_list } = await api.call('get_room_list', { count: COUNT });
      if (stopped) return;
      shown(room_list);
      problem('rooms', null);
    } catch (refused) {
      if (stopped) return;
      problem('rooms', refusal(refused));
      wait = (refused.retryAfter ?? 0) * 1000 || EVERY;
    }
    clearTimeout(timer);
    timer = setTimeout(again, wait);
  };
  document.addEventListener('visibilitychange', again);
  again();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', again);
      problem('rooms', null);
    },
  };
}
