// What is told in passing, and what is wrong until it is mended. Both are read aloud.

import { h } from './element.js';
import { icon } from './icons.js';

/** Milliseconds that a notice stays; no button is in it, so nobody has to hurry. */
const STAYS = 6_000;
const MOST = 2;

const places = {
  get notices() { return document.getElementById('notices'); },
  get problems() { return document.getElementById('problems'); },
};

/** Tells something. */
export function notify(words) {
  if (!words) return;
  const notice = h('p', { class: 'notice' }, words);
  const { notices } = places;
  notices.append(notice);
  while (notices.children.length > MOST) notices.firstChild.remove();
  setTimeout(() => notice.remove(), STAYS);
}

/**
 * Says what is wrong, under a name: once more under the same name replaces it, with null it is over.
 * `action` { words, act } is what can be done about it.
 */
export function problem(name, words, action) {
  const { problems } = places;
  const there = problems.querySelector(`[data-problem="${name}"]`);
  if (there?.dataset.words === (words ?? '')) return;
  there?.remove();
  if (!words) return;
  const button = action && h('button', { type: 'button', class: 'small', onclick: action.act }, action.words);
  const bar = h('div', { class: 'problem', 'data-problem': name, 'data-words': words }, h('p', {}, words), button,
    h('button', { type: 'button', class: 'bare', 'aria-label': 'Dismiss', onclick: () => bar.remove() }, icon('close')));
  problems.append(bar);
}

/** Nothing is wrong any more, as on leaving a room. */
export function noProblems() {
  places.problems.replaceChildren();
}
