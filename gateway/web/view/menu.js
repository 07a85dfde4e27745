// What a host can do about somebody: a sheet of buttons.

import { ON } from '../api.js';
import { isOnStage } from '../roster.js';
import { h } from './element.js';
import { avatar } from './avatar.js';
import { confirm, open } from './dialog.js';

const MINUTE = 60;
/** For how long somebody may be kept out, in seconds. */
const BANS = [
  ['They may come back', 0],
  ['Keep out for 10 minutes', 10 * MINUTE],
  ['Keep out for a day', 24 * 60 * MINUTE],
];

/** Opens what the host can do about a member, and does it. */
export async function memberMenu(member, { acts, roster }) {
  const { nick_name } = member;
  const buttons = [...choices(member, acts, roster), { words: 'Cancel', value: null, kind: 'quiet' }];
  const { dialog, answer } = open({ title: nick_name, body: avatar(member), buttons });
  dialog.classList.add('menu');
  const act = await answer;
  await act?.();
}

function choices(member, acts, roster) {
  const { uid, mic, raise_hand, nick_name } = member;
  const choice = (words, act, kind) => ({ words, value: act, kind });
  const list = [];
  if (isOnStage(member)) {
    list.push(...microphoneChoices(uid, mic, acts, roster.isMutedByHost(uid), choice));
    list.push(choice('Take off the stage', () => acts.takeOff(uid)));
  } else {
    list.push(acts.isInvited(uid)
      ? choice('Withdraw the invitation', () => acts.withdraw(uid))
      : choice('Invite on stage', () => acts.invite(uid), 'primary'));
    if (raise_hand === ON) list.push(choice('Lower the hand', () => acts.lowerHand(uid)));
  }
  list.push(choice('Make host', () => handOver(uid, nick_name, acts)));
  list.push(choice('Remove from the room', () => remove(uid, nick_name, acts), 'danger'));
  return list;
}

/** Whether a silent microphone is held by the host is known only of what this page has seen. */
function microphoneChoices(uid, mic, acts, held, choice) {
  const lift = choice('Let unmute', () => acts.liftMute(uid));
  if (mic === ON) return [choice('Mute', () => acts.mute(uid), 'primary')];
  return held ? [lift] : [choice('Keep muted', () => acts.mute(uid)), lift];
}

async function handOver(uid, name, acts) {
  const sure = await confirm({
    title: `Make ${name} the host?`,
    text: 'From then on they decide who speaks, and can close the room. You stay in it.',
    words: 'Make host',
  });
  if (sure) await acts.makeHost(uid);
}

async function remove(uid, name, acts) {
  const options = BANS.map(([words, seconds], index) => h('label', {},
    h('input', { type: 'radio', name: 'ban', value: seconds, checked: index === 0 }), words));
  const body = h('fieldset', { class: 'options' }, h('legend', { class: 'unseen' }, 'May they come back?'), ...options);
  const { dialog, answer } = open({
    title: `Remove ${name} from the room?`,
    body,
    alert: true,
    buttons: [{ words: 'Cancel', value: false }, { words: 'Remove', value: true, kind: 'danger' }],
  });
  const chosen = () => Number(dialog.querySelector('input:checked').value);
  if (await answer) await acts.remove(uid, chosen());
}
