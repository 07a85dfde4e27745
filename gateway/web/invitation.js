// The invitation to the stage: asked in a dialog, until it is answered or no longer good.

import { open } from './view/dialog.js';
import { h, text } from './view/element.js';
import { notify } from './view/notice.js';

const SECOND = 1_000;
/** Bounds on how long a dialog stays, in milliseconds, should this machine's clock be wrong. */
const LEAST = 5 * SECOND;
const MOST = 10 * 60 * SECOND;

/** Opens invitations. `host()` names who invites. */
export function invitation(acts, host) {
  let asked = null;
  const close = () => {
    const dialog = asked;
    asked = null;
    dialog?.end();
  };
  return {
    close,
    open({ invite_token, expires_at }) {
      close();
      const mine = ask(host(), Math.min(Math.max(expires_at - Date.now(), LEAST), MOST));
      asked = mine;
      mine.answer.then((answer) => {
        if (asked !== mine) return;
        asked = null;
        if (answer === 'expired') notify('The invitation expired.');
        else acts.answer(invite_token, answer);
      });
    },
  };
}

/** Declining has the focus: nobody's microphone goes on by a key meant for something else. */
function ask(name, time) {
  const left = h('p', { class: 'hint', 'aria-hidden': 'true' });
  const { answer, close } = open({
    title: `${name} invites you on stage`,
    text: 'Everybody in the room hears you once you accept. You can mute yourself, or step down, at any time.',
    body: left,
    alert: true,
    cancelled: false,
    buttons: [{ words: 'Decline', value: false }, { words: 'Accept', value: true, kind: 'primary' }],
  });
  const until = Date.now() + time;
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / SECOND);
    if (seconds <= 0) return end('expired');
    text(left, `Good for another ${seconds} s`);
  };
  const timer = setInterval(tick, SECOND);
  tick();
  function end(value) {
    clearInterval(timer);
    close(value);
  }
  answer.then(() => clearInterval(timer));
  return { answer, end };
}
