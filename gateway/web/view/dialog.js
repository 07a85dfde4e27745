// Dialogs: modal, closed by Escape, the focus going back to where it was.

import { h } from './element.js';

let counted = 0;
const opened = new Set();

/** Closes all dialogs, unanswered: what they ask about is no more. */
export function closeAll() {
  for (const close of [...opened]) close();
}

/**
 * Opens a dialog. `buttons` are [{ words, value, kind }]; the first takes the focus. Gives { dialog, answer,
 * close(value) }: `answer` is the value of the button pressed, `cancelled` after Escape or a tap beside it.
 */
export function open({ title, text, body, buttons, alert = false, cancelled = null }) {
  const id = `dialog-${(counted += 1)}`;
  const before = document.activeElement;
  const heading = h('h2', { id: `${id}-title` }, title);
  const about = text && h('p', { id: `${id}-text` }, text);
  const row = h('div', { class: 'buttons' }, ...buttons.map((button) => press(button, (value) => close(value))));
  const dialog = h('dialog', {
    'aria-labelledby': heading.id,
    'aria-describedby': about ? about.id : null,
    role: alert ? 'alertdialog' : null,
  }, h('div', { class: 'sheet' }, heading, about, body, row));
  let tell;
  const answer = new Promise((resolve) => { tell = resolve; });
  const close = (value = cancelled) => {
    if (!dialog.isConnected) return;
    opened.delete(close);
    dialog.close();
    dialog.remove();
    if (before?.isConnected) before.focus();
    tell(value);
  };
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    close();
  });
  dialog.addEventListener('close', () => close());
  dialog.addEventListener('pointerdown', (event) => event.target === dialog && !alert && close());
  opened.add(close);
  document.body.append(dialog);
  dialog.showModal();
  (dialog.querySelector('[autofocus], input:checked') ?? row.firstChild).focus();
  return { dialog, answer, close };
}

function press({ words, value, kind = '' }, close) {
  return h('button', { type: 'button', class: kind, onclick: () => close(value) }, words);
}

/** Asks before something that can't be undone. Gives whether to do it. */
export function confirm({ title, text, words, stay = 'Cancel' }) {
  const buttons = [{ words: stay, value: false }, { words, value: true, kind: 'danger' }];
  return open({ title, text, buttons, alert: true, cancelled: false }).answer;
}
