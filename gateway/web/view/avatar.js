// Faces: initials on a colour of the uid's own.

import { h } from './element.js';

/** Turns a uid by the golden angle, so that neighbours differ most. */
const GOLDEN = 137.508;
const segments = globalThis.Intl?.Segmenter && new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Two letters that stand for a name, or one: of its first two words, or its beginning. */
export function initials(name) {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [first(words[0]), first(words[1])] : [first(words[0] ?? '?')];
  return letters.join('').toLocaleUpperCase();
}

function first(word) {
  if (!segments) return [...word][0] ?? '';
  for (const { segment } of segments.segment(word)) return segment;
  return '';
}

export function hue(uid) {
  return Math.round((uid * GOLDEN) % 360);
}

/** The face of somebody. */
export function avatar({ uid, nick_name }) {
  const face = h('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(nick_name));
  face.style.setProperty('--hue', hue(uid));
  return face;
}
