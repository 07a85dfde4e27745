// The browser client, pressed and read as people do: at a desk, on a phone, by keyboard, in the dark.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { cable } from './cable.mjs';
import { faint, overhang, unpressable } from './looks.mjs';
import { PHONE, enters, inRoom, launch, named, names, opens, person, picture, press, reads, seat, visitor } from './people.mjs';
import { start } from './suite.js';

const timeout = 90_000;

let [suite, browser, address] = [];

before(async () => {
  suite = await start(process.env.GOCHAT, { GOCHAT_GATEWAY_RATE: '0' });
  address = `${suite.addresses.gateway}/`;
  browser = await launch();
}, { timeout });

after(async () => {
  await browser?.close();
  await suite?.stop();
}, { timeout });

afterEach(async () => {
  const contexts = browser.contexts();
  const faults = contexts.flatMap((context) => context.pages()).flatMap((page) => page.faults ?? []);
  await Promise.all(contexts.map((context) => context.close()));
  assert.deepEqual(faults, [], 'no page does what its policy forbids, or fails');
});

test('a host, a guest and a listener go through a room', { timeout }, async () => {
  const first = await visitor(browser, address);
  await picture(first, 'welcome');
  const ann = await person(browser, address, 'Ann');
  await opens(ann, 'A slow evening');
  const bob = await person(browser, address, 'Bob');
  await reads(bob, '1 person · 1 on stage');
  await picture(bob, 'lobby');
  await enters(bob, 'A slow evening');
  const cem = await person(browser, address, 'Çem Öz');
  await enters(cem, 'A slow evening');

  await press(cem, 'Raise hand');
  await reads(ann, 'Çem Öz raised a hand.');
  await press(bob, 'Raise hand');
  for (const page of [ann, bob, cem]) await reads(page, 'Raised hands (2)');
  assert.deepEqual(await names(ann, 'Raised hands'), ['Çem Öz', 'Bob'], 'in the order in which they were raised');
  await picture(ann, 'room');
  await press(cem, 'Lower hand');
  await reads(ann, 'Raised hands (1)');
  await press(cem, 'Raise hand');
  await reads(ann, 'Raised hands (2)');
  assert.deepEqual(await names(bob, 'Raised hands'), ['Bob', 'Çem Öz']);
  await press(ann, 'Lower Çem Öz’s hand');
  await reads(cem, 'Your hand was lowered.');

  await press(ann, 'Invite Bob on stage');
  await reads(bob, 'Ann invites you on stage');
  await picture(bob, 'invitation');
  await press(bob, 'Decline');
  await reads(ann, 'Bob declined the invitation.');
  await press(ann, 'Invite Bob on stage');
  await press(bob, 'Accept');
  for (const page of [ann, bob, cem]) await seat(page, 'Bob', 'microphone on').waitFor();
  await reads(bob, 'You are on stage.');

  await press(bob, 'Mute');
  await seat(cem, 'Bob', 'muted').waitFor();
  await press(bob, 'Unmute');
  await seat(cem, 'Bob', 'microphone on').waitFor();
  await seat(ann, 'Bob').getByRole('button').click();
  await picture(ann, 'member');
  await press(ann, 'Mute');
  await seat(cem, 'Bob', 'muted by the host').waitFor();
  await press(bob, 'Muted by host');
  await reads(bob, 'The host holds your microphone muted.');
  await seat(ann, 'Bob').getByRole('button').click();
  await press(ann, 'Let unmute');
  await reads(bob, 'The host lets you unmute again.');
  await press(bob, 'Unmute');
  await seat(cem, 'Bob', 'microphone on').waitFor();
  await press(ann, 'Mute all');
  await seat(bob, 'Bob', 'muted by the host').waitFor();
  await seat(ann, 'Ann', 'microphone on').waitFor();
  await picture(cem, 'listener');

  await press(bob, 'Step down');
  await seat(ann, 'Bob').waitFor({ state: 'detached' });
  await ann.getByRole('region', { name: 'Listening' }).getByRole('button', { name: 'Bob' }).click();
  await press(ann, 'Invite on stage');
  await press(bob, 'Accept');
  await seat(ann, 'Bob').getByRole('button').click();
  await press(ann, 'Take off the stage');
  await reads(bob, 'The host took you off the stage.');

  await ann.getByRole('region', { name: 'Listening' }).getByRole('button', { name: 'Çem Öz' }).click();
  await press(ann, 'Remove from the room');
  await ann.getByLabel('Keep out for 10 minutes').check();
  await picture(ann, 'removal');
  await press(ann, 'Remove');
  await reads(cem, 'The host removed you from the room.');
  await cem.getByRole('link', { name: 'A slow evening' }).click();
  await reads(cem, 'The host keeps you out of this room.');

  await ann.getByRole('region', { name: 'Listening' }).getByRole('button', { name: 'Bob' }).click();
  await press(ann, 'Make host');
  await press(ann, 'Make host');
  await reads(bob, 'You are the host now.');
  await press(bob, 'Close room');
  await picture(bob, 'closing');
  await press(bob, 'Close room');
  await reads(ann, 'The room was closed.');
  await picture(ann, 'closed');
  await reads(bob, 'No room is open.');
});

test('all of it goes by keyboard, and the focus is where it belongs', { timeout }, async () => {
  const on = (page) => page.evaluate(() => document.activeElement.innerText || document.activeElement.id);
  const tabTo = async (page, name) => {
    for (let tabs = 0; tabs < 40; tabs += 1) {
      if ((await on(page)) === name) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`no number of tabs leads to ${name}`);
  };
  const ann = await visitor(browser, address);
  assert.equal(await on(ann), 'name');
  await ann.keyboard.type('Dora');
  await ann.keyboard.press('Enter');
  await ann.getByRole('heading', { name: 'GoChat' }).waitFor();
  await reads(ann, 'A new room');
  await tabTo(ann, 'subject');
  await ann.keyboard.type('By keyboard');
  await ann.keyboard.press('Enter');
  await inRoom(ann, 'By keyboard');
  assert.equal(await on(ann), 'By keyboard', 'a new page begins at its heading');

  const bob = await person(browser, address, 'Eli');
  await reads(bob, 'By keyboard');
  await bob.waitForFunction(() => document.querySelector('.room-card'));
  await bob.keyboard.press('Tab');
  await bob.getByRole('link', { name: 'By keyboard' }).focus();
  await bob.keyboard.press('Enter');
  await inRoom(bob, 'By keyboard');
  await tabTo(bob, 'Raise hand');
  await bob.keyboard.press('Space');
  await reads(ann, 'Raised hands (1)');
  await tabTo(ann, 'Invite');
  await ann.keyboard.press('Enter');
  await reads(bob, 'Dora invites you on stage');
  assert.equal(await on(bob), 'Decline', 'no key that was meant for something else opens a microphone');
  await bob.keyboard.press('Tab');
  assert.equal(await on(bob), 'Accept');
  await bob.keyboard.press('Enter');
  await seat(ann, 'Eli').waitFor();
  await bob.getByRole('button', { name: 'Step down' }).waitFor();
  assert.equal(await on(bob), 'Mute', 'where its button is gone, the focus goes to the next');
  assert.match(await on(ann), /^Raised hands/, 'where its row is gone, the focus goes to the list');

  await seat(ann, 'Eli').getByRole('button').focus();
  await ann.keyboard.press('Enter');
  await ann.getByRole('dialog', { name: 'Eli' }).waitFor();
  assert.equal(await on(ann), 'Mute');
  await ann.keyboard.press('Escape');
  await ann.getByRole('dialog').waitFor({ state: 'detached' });
  assert.match(await on(ann), /Eli/, 'the focus goes back to where it was');
  await tabTo(ann, 'Close room');
  await ann.keyboard.press('Enter');
  assert.equal(await on(ann), 'Stay');
  await ann.keyboard.press('Tab');
  await ann.keyboard.press('Enter');
  await reads(bob, 'The room was closed.');
});

for (const colorScheme of ['light', 'dark']) {
  test(`every page fits a phone and can be read: ${colorScheme}`, { timeout }, async () => {
    const options = { viewport: PHONE, colorScheme, reducedMotion: 'reduce' };
    const wide = `${colorScheme[0]}${'W'.repeat(13)}`;
    const looks = async (page, what) => {
      await picture(page, `phone-${colorScheme}-${what}`);
      assert.deepEqual(await page.evaluate(overhang), { wider: 0, out: [] }, what);
      assert.deepEqual(await page.evaluate(faint), [], what);
      assert.deepEqual(await page.evaluate(unpressable), [], what);
    };
    const host = await visitor(browser, address, options);
    await looks(host, 'welcome');
    await named(host, `${wide}1`);
    const subject = `${colorScheme} ${'W'.repeat(50)}`;
    await opens(host, subject);
    const guest = await person(browser, address, `${wide}2`, options);
    await reads(guest, subject);
    await looks(guest, 'lobby');
    await enters(guest, subject);
    await press(guest, 'Raise hand');
    await reads(host, 'Raised hands (1)');
    await looks(host, 'room');
    await host.getByRole('button', { name: /^Invite/ }).click();
    await reads(guest, 'invites you on stage');
    await looks(guest, 'invitation');
    await press(guest, 'Accept');
    await reads(guest, 'You are on stage.');
    await looks(guest, 'guest');
    await seat(host, `${wide}2`).getByRole('button').click();
    await looks(host, 'member');
    await press(host, 'Remove from the room');
    await looks(host, 'removal');
    const moving = await host.evaluate(() => document.getAnimations().filter(({ playState }) => playState === 'running').length);
    assert.equal(moving, 0, 'nothing moves for who asked for less motion');
  });
}

test('names and subjects are text, whatever they hold', { timeout }, async () => {
  const ann = await person(browser, address, '<b>Fay</b>');
  const subject = '<img src=x onerror=alert(1)>';
  const room = await opens(ann, subject);
  const bob = await person(browser, room, '<i>Gus</i>');
  await inRoom(bob, subject);
  await seat(bob, '<b>Fay</b>').waitFor();
  assert.equal(await bob.locator('b, i, img').count(), 0);
  const blocked = await bob.evaluate(() => {
    try {
      document.body.innerHTML = '<p>';
      return '';
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(blocked, 'TypeError', 'the policy takes no markup from text');
  bob.faults.length = 0;
});

test('a link leads into its room, and a reload stays there', { timeout }, async () => {
  const ann = await person(browser, address, 'Hana');
  const room = await opens(ann, 'By link');
  const bob = await visitor(browser, room);
  await reads(bob, /You enter room \d{9} next/);
  await named(bob, 'Ivo');
  await inRoom(bob, 'By link');
  await press(bob, 'Raise hand');
  await reads(ann, 'Raised hands (1)');
  await bob.reload();
  await inRoom(bob, 'By link');
  await bob.getByRole('button', { name: 'Lower hand' }).waitFor();
  await reads(ann, 'Raised hands (1)');
  await press(bob, 'Leave');
  await reads(ann, 'Nobody is listening yet.');
  await enters(bob, 'By link');
  await reads(ann, 'Listening (1)');
  await bob.goBack();
  await reads(bob, 'A new room');
  await reads(ann, 'Nobody is listening yet.');
  await ann.reload();
  await inRoom(ann, 'By link');
  await ann.goBack();
  await reads(ann, 'Close the room?');
  await press(ann, 'Stay');
  assert.equal(ann.url(), room, 'a host is asked, and stays');
  await reads(ann, 'you host');
});

test('what is lost comes back by itself', { timeout }, async () => {
  const wire = await cable(suite.addresses.gateway);
  try {
    const ann = await person(browser, address, 'Jana');
    await opens(ann, 'Over a cable');
    const bob = await person(browser, wire.address, 'Kai');
    await enters(bob, 'Over a cable');
    const cem = await person(browser, address, 'Lou');
    await enters(cem, 'Over a cable');
    wire.pull();
    await reads(bob, 'The connection was lost. Reconnecting…');
    await press(cem, 'Raise hand');
    await press(ann, 'Mute');
    await press(bob, 'Raise hand');
    await reads(bob, 'The server does not answer right now.');
    wire.plug();
    await reads(bob, 'Raised hands (1)');
    await seat(bob, 'Jana', 'muted').waitFor();
    await bob.getByText('The connection was lost').waitFor({ state: 'detached' });
    await press(bob, 'Raise hand');
    await reads(ann, 'Raised hands (2)');
  } finally {
    await wire.stop();
  }
});

test('what is wrong is said in words', { timeout }, async () => {
  const ann = await person(browser, address, 'Mia');
  await opens(ann, 'In words');
  const other = await visitor(browser, address);
  await other.getByLabel('Your name').fill('mia');
  await press(other, 'Continue');
  await reads(other, 'Somebody has this name already. Try another.');
  await named(other, 'Ned');
  await other.goto(`${address}#000000000`);
  await reads(other, 'This room does not exist any more.');
  await reads(other, 'Open rooms');
});

test('a microphone that is refused leaves a listener, who is told why', { timeout }, async () => {
  const careful = await launch({ prompts: true });
  try {
    const ann = await visitor(careful, address);
    await ann.context().grantPermissions([]);
    await named(ann, 'Oda');
    await opens(ann, 'Refused');
    await reads(ann, 'The browser may not use your microphone.');
    await seat(ann, 'Oda', 'muted').waitFor();
    await picture(ann, 'microphone-refused');
    await ann.context().grantPermissions(['microphone']);
    await press(ann, 'Unmute');
    await seat(ann, 'Oda', 'microphone on').waitFor();
    await ann.getByText('The browser may not use your microphone.').waitFor({ state: 'detached' });
  } finally {
    await careful.close();
  }
});

test('one window at a time is in the room', { timeout }, async () => {
  const ann = await person(browser, address, 'Pia');
  await opens(ann, 'Twice');
  const [second] = await Promise.all([
    ann.context().waitForEvent('page'),
    ann.evaluate(() => window.open(window.location.href)),
  ]);
  await reads(second, 'You are in a room in another window of this browser.');
  await press(second, 'Use this window');
  await inRoom(second, 'Twice');
  await reads(ann, 'You entered this room from another window.');
});
