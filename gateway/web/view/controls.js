// The bar of a room: one's own hand and microphone, the host's mutes, and the way out.

import { ON } from '../api.js';
import { isOnStage } from '../roster.js';
import { attribute, h, show } from './element.js';
import { icon, redraw } from './icons.js';

/** The bar. `leave()` is asked for by its last button. */
export function controls({ acts, leave }) {
  const mic = control('mic', () => (mic.on ? acts.muteSelf() : acts.unmuteSelf()));
  const hand = control('hand', () => (hand.on ? acts.lowerOwnHand() : acts.raiseHand()));
  const down = control('down', () => acts.stepDown());
  const hush = control('muted', () => acts.muteAll());
  const out = control('leave', leave);
  down.say('Step down');
  hush.say('Mute all');
  const element = h('div', { class: 'controls', role: 'toolbar', 'aria-label': 'Your controls' },
    ...[mic, hand, down, hush, out].map(({ button }) => button));
  const usable = () => [...element.children].find((button) => !button.hidden && !button.disabled);
  /** A button that goes hands the focus on to the first that is there. */
  const update = (roster) => {
    const focused = element.contains(document.activeElement);
    turn(roster);
    if (focused && !element.contains(document.activeElement)) usable()?.focus();
  };
  const turn = (roster) => {
    const { me, iAmHost } = roster;
    const speaker = isOnStage(me);
    const held = speaker && roster.isMutedByHost(me.uid);
    const on = me?.mic === ON;
    show(mic.button, speaker);
    mic.turn(on, on ? 'mic' : 'muted');
    mic.say(on ? 'Mute' : held ? 'Muted by host' : 'Unmute');
    mic.button.classList.toggle('primary', speaker && !on && !held);
    show(hand.button, Boolean(me) && !speaker);
    hand.turn(me?.raise_hand === ON, 'hand');
    hand.say(hand.on ? 'Lower hand' : 'Raise hand');
    hand.button.classList.toggle('primary', !hand.on);
    show(down.button, speaker && !iAmHost);
    show(hush.button, iAmHost);
    attribute(hush.button, 'disabled', !roster.stage.some((member) => member.uid !== me?.uid && member.mic === ON));
    out.say(iAmHost ? 'Close room' : 'Leave');
    out.button.classList.add('danger');
  };
  return { element, update };
}

/** A button with a picture. One call at a time: it waits for the one before. */
function control(picture, act) {
  const drawn = icon(picture);
  const words = h('span', {}, '');
  const button = h('button', { type: 'button' }, drawn, words);
  const made = {
    button,
    on: false,
    turn(on, shown) {
      made.on = on;
      redraw(drawn, shown);
    },
    say(said) {
      if (words.textContent !== said) words.textContent = said;
    },
  };
  let busy = false;
  button.addEventListener('click', async () => {
    if (busy) return;
    busy = true;
    try {
      await act();
    } finally {
      busy = false;
    }
  });
  return made;
}
