// Three people in real browsers hear each other, and the stage decides who is heard.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { soundCable } from './cable.mjs';
import { enters, inRoom, launch, opens, person, picture, press, reads, seat } from './people.mjs';
import { ears, lyingEars, packets, strays, tone, untilHears, untouched } from './sound.mjs';
import { start } from './suite.js';

const timeout = 120_000;
const LOW = 440;
const HIGH = 1000;
/** Milliseconds after which nothing more of somebody muted may reach anyone. */
const SILENT_WITHIN = 100;

let [folder, suite, address, low, high, mute] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gochat-tones-'));
  suite = await start(process.env.GOCHAT, { GOCHAT_GATEWAY_RATE: '0' });
  address = `${suite.addresses.gateway}/`;
  [low, high, mute] = await Promise.all([
    launch({ wav: await tone(join(folder, 'low.wav'), LOW) }),
    launch({ wav: await tone(join(folder, 'high.wav'), HIGH) }),
    launch(),
  ]);
}, { timeout });

after(async () => {
  await Promise.all([low, high, mute].map((browser) => browser?.close()));
  await suite?.stop();
  await rm(folder, { recursive: true, force: true });
}, { timeout });

test('a host speaks, a guest comes and goes, and the stage decides who is heard', { timeout }, async () => {
  const script = `(${ears})()`;
  const ann = await person(low, address, 'Ann', { script });
  await opens(ann, 'Heard');
  const bob = await person(mute, address, 'Bob', { script });
  await enters(bob, 'Heard');
  const cem = await person(high, address, 'Cem', { script: `${script};(${lyingEars})()` });
  await enters(cem, 'Heard');
  await untilHears(bob, [LOW]);
  await untilHears(cem, [LOW]);
  await untilHears(ann, []);
  await seat(bob, 'Ann', 'speaking').waitFor();

  await press(cem, 'Raise hand');
  await press(ann, 'Invite Cem on stage');
  await press(cem, 'Accept');
  await untilHears(ann, [HIGH]);
  await untilHears(bob, [LOW, HIGH]);
  await untilHears(cem, [LOW], 1_000);
  await seat(bob, 'Cem', 'speaking').waitFor();
  await picture(bob, 'voice-two-speak');

  await silences(ann, [ann, bob], cem);
  await untilHears(ann, []);
  await untilHears(bob, [LOW]);
  await picture(ann, 'voice-muted');
  await seat(ann, 'Cem').getByRole('button').click();
  await press(ann, 'Let unmute');
  await press(cem, 'Unmute');
  await untilHears(ann, [HIGH]);
  await untilHears(bob, [LOW, HIGH]);

  await seat(ann, 'Cem').getByRole('button').click();
  await press(ann, 'Take off the stage');
  await untilHears(ann, []);
  await untilHears(bob, [LOW]);
  await bob.reload();
  await inRoom(bob, 'Heard');
  await untilHears(bob, [LOW]);

  await press(ann, 'Mute');
  await untilHears(bob, []);
  await press(ann, 'Unmute');
  await untilHears(bob, [LOW]);
  await press(ann, 'Close room');
  await press(ann, 'Close room');
  for (const page of [bob, cem]) await reads(page, 'The room was closed.');
  for (const page of [ann, bob, cem]) {
    assert.equal(await page.locator('audio').count(), 0, 'nothing is left that plays');
    assert.deepEqual(page.faults, []);
  }
});

/** The host mutes a guest whose page goes on sending: a moment after, not a packet more reaches the listeners. */
async function silences(host, listening, guest) {
  const before = await Promise.all(listening.map(packets));
  await seat(host, 'Cem').getByRole('button').click();
  const answered = host.waitForResponse((response) => response.url().endsWith('/set_user_info'));
  await press(host, 'Mute');
  await answered;
  const muted = Date.now();
  const sent = (await packets(guest)).sent;
  await seat(guest, 'Cem', 'muted by the host').waitFor();
  const until = Date.now() + 5_000;
  while ((await packets(guest)).sent < sent + 50) assert.ok(Date.now() < until, 'the guest’s page sends no more');
  for (const [at, page] of listening.entries()) {
    const after = await packets(page);
    // Whoever was heard before the mute, and isn't now: packets of others go on.
    const lasts = Object.entries(after.received)
      .filter(([mid, { packets: count }]) => count > (before[at].received[mid]?.packets ?? 0))
      .map(([, { last }]) => last)
      .filter((last) => after.now - last > 300);
    assert.equal(lasts.length, 1, `one voice has ended: ${JSON.stringify([before[at], after])}`);
    assert.ok(lasts[0] - muted <= SILENT_WITHIN, `the last packet came ${lasts[0] - muted} ms after the mute`);
  }
}

test('who finds no way for sound is told so', { timeout }, async () => {
  const eve = await person(mute, address, 'Eve', { script: `(${strays})()` });
  let walled = true;
  // Nobody is at port 9.
  await eve.exposeFunction('astray', (port) => (walled ? 9 : port));
  await opens(eve, 'No way');
  await reads(eve, 'your network lets no voice traffic (UDP) through', 30_000);
  await picture(eve, 'voice-no-way');
  walled = false;
  await eve.getByText('your network lets no voice traffic').waitFor({ state: 'detached' });
});

test('a sound that is interrupted comes back by itself', { timeout }, async () => {
  const wires = [];
  try {
    const script = `(${ears})()`;
    const ida = await person(low, address, 'Ida', { script });
    const room = await opens(ida, 'Interrupted');
    const jo = await person(mute, room, 'Jo', { script: `${script};(${strays})()` });
    await jo.exposeFunction('astray', async (port) => {
      wires.push(await soundCable(port));
      return wires.at(-1).port;
    });
    await jo.reload();
    await untilHears(jo, [LOW]);
    wires.at(-1).pull();
    await reads(jo, 'The sound was interrupted. Connecting again…', 30_000);
    await jo.getByText('The sound was interrupted').waitFor({ state: 'detached' });
    await untilHears(jo, [LOW]);
  } finally {
    // Before the cables: a page whose sound is gone lays another.
    await Promise.all(mute.contexts().map((context) => context.close()));
    for (const wire of wires) wire.stop();
  }
});

test('who mutes is silent at once, whether the server has heard of it or not', { timeout }, async () => {
  const script = `(${ears})()`;
  const kim = await person(low, address, 'Kim', { script });
  const room = await opens(kim, 'Hushed');
  const lea = await person(mute, room, 'Lea', { script });
  await untilHears(lea, [LOW]);
  let letGo;
  const held = new Promise((resolve) => { letGo = resolve; });
  await kim.route('**/set_user_info', async (route) => {
    await held;
    await route.continue();
  });
  await press(kim, 'Mute');
  await untilHears(lea, []);
  await press(lea, 'Raise hand');
  await reads(kim, 'Raised hands (1)');
  await untilHears(lea, []);
  await seat(lea, 'Kim', 'microphone on').waitFor();
  letGo();
  await seat(lea, 'Kim', 'muted').waitFor();
});

test('a page that nobody has touched plays once it is', { timeout }, async () => {
  const gil = await person(low, address, 'Gil', { script: `(${ears})()` });
  const room = await opens(gil, 'Untouched');
  const hal = await person(mute, room, 'Hal', { script: `(${ears})();(${untouched})()` });
  await inRoom(hal, 'Untouched');
  await hal.reload();
  await reads(hal, 'The browser holds the sound back until you touch the page.');
  await untilHears(hal, []);
  await press(hal, 'Turn sound on');
  await hal.getByText('The browser holds the sound back').waitFor({ state: 'detached' });
  await untilHears(hal, [LOW]);
});
