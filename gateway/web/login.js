// The first page: a name.

import { h, text } from './view/element.js';
import { icon } from './view/icons.js';
import { refusal } from './words.js';

/** Asks for a name, and logs in with it. `done()` is called once that succeeded. */
export function login(api, { going, done }) {
  const wrong = h('p', { class: 'wrong', id: 'name-wrong', role: 'alert' });
  const name = h('input', {
    id: 'name', name: 'nickname', required: true, maxlength: 15, autocomplete: 'nickname', autocapitalize: 'words',
    spellcheck: 'false', 'aria-describedby': 'name-about name-wrong', placeholder: 'Ann',
  });
  const button = h('button', { class: 'primary' }, 'Continue');
  const submit = async (event) => {
    event.preventDefault();
    const wanted = name.value.trim();
    if (!wanted) return name.focus();
    button.disabled = true;
    text(wrong, '');
    try {
      await api.login(wanted);
      done();
    } catch (refused) {
      text(wrong, refusal(refused));
      name.setAttribute('aria-invalid', 'true');
      button.disabled = false;
      name.focus();
    }
  };
  const element = h('div', { class: 'login' },
    h('form', { class: 'card', onsubmit: submit },
      h('div', { class: 'mark' }, icon('wave')),
      h('h1', { tabindex: '-1' }, 'GoChat'),
      h('p', { class: 'lead' }, 'Rooms to listen, raise a hand, and speak.'),
      h('label', { for: 'name' }, 'Your name'),
      name,
      h('p', { class: 'hint', id: 'name-about' }, 'Up to 15 letters. Others see it while you are here.'),
      wrong,
      going && h('p', { class: 'hint' }, `You enter room ${going} next.`),
      button));
  return { element, title: 'Welcome', focus: () => name.focus(), close() {} };
}
