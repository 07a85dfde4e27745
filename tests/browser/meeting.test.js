// People in real browsers, on pages of another origin, use the API together.
//
//     GOCHAT=target/debug/gochat PLAYWRIGHT=target/browser CHROMIUM=chromium node --test tests/browser/

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';

import { serve } from './site.js';
import { start } from './suite.js';

const { chromium } = createRequire(`${resolve(process.env.PLAYWRIGHT)}/`)('playwright-core');
// Milliseconds that one test, or the start, may take.
const timeout = 60_000;
// The browser can ask for nothing outside of this machine.
const OPTIONS = ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'];

let [site, stranger, suite, browser] = [];

before(async () => {
  [site, stranger] = [await serve(), await serve()];
  const origin = `http://127.0.0.1:${site.port}`;
  suite = await start(process.env.GOCHAT, {
    GOCHAT_GATEWAY_ORIGINS: origin,
    GOCHAT_GATEWAY_COOKIE: 'lax',
    GOCHAT_GRPC_WEB: 'true',
    GOCHAT_GRPC_WEB_ORIGINS: origin,
  });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: OPTIONS });
}, { timeout });

after(async () => {
  await browser?.close();
  await suite?.stop();
  await Promise.all([site?.stop(), stranger?.stop()]);
}, { timeout });

/** Somebody in a browser that knows nobody else's cookies, on a page of our site. */
async function person(options) {
  const page = await (await browser.newContext()).newPage();
  return on(page, site, options);
}

/** Does in the page what it is asked: `person('call', 'login', {…})` is `chat.call('login', {…})` there. */
async function on(page, place, options) {
  page.setDefaultTimeout(timeout);
  await page.goto(`http://127.0.0.1:${place.port}/`);
  const make = ([gateway, how]) => { globalThis.chat = new Chat(gateway, how); };
  await page.evaluate(make, [suite.addresses.gateway, options]);
  const asks = (method, ...given) => page.evaluate(([name, values]) => chat[name](...values), [method, given]);
  return Object.assign(asks, { page });
}

/** Logs in, enters the room and follows it. */
async function enters(somebody, name, room, follow) {
  const uid = await somebody('login', name);
  await somebody('call', 'login_room', { room_id: room });
  await somebody(follow, room);
  assert.equal((await somebody('sees', 6000)).data.room.room_id, room);
  return uid;
}

test('a host, a guest and a listener meet', { timeout }, async () => {
  const [host, guest, listener] = [await person({ cookies: true }), await person({}), await person({})];
  const hostUid = await host('login', 'host');
  assert.equal(await host.page.evaluate(() => document.cookie), '', 'a page can read the cookie');
  const { room_id } = await host('call', 'create_room', { subject: 'tea' });
  await host('followBySse', room_id);
  assert.equal((await host('sees', 6000)).data.attendee_list[0].uid, hostUid);
  const guestUid = await enters(guest, 'guest', room_id, 'followBySocket');
  await enters(listener, 'listener', room_id, 'followBySse');

  await guest('call', 'operate_raise_hand', { room_id, type: 2 });
  for (const one of [host, guest, listener]) {
    const { event, data } = await one('sees', 6002, 1);
    const [user] = data.users;
    assert.deepEqual([event, user.uid, user.raise_hand], ['room_extra_info', guestUid, 2]);
  }
  await host('call', 'invite_onstage', { room_id, target_uid: guestUid });
  const { event, data: { invite_token } } = await guest('sees', 6004);
  assert.equal(event, 'custom_command');
  await guest('call', 'response_onstage_invite', { room_id, invite_token, respond: 2 });
  for (const one of [host, guest]) {
    const [user] = (await one('sees', 6002, 3)).data.users;
    assert.deepEqual([user.uid, user.role, user.onstage_state, user.mic, user.raise_hand], [guestUid, 2, 2, 2, 1]);
  }
  await listener('sees', 6002, 3);
  assert.deepEqual(await listener('taken'), [6000, 6002, 6002], 'an invitation is between two');

  const { attendee_list } = await host('call', 'get_stateful_list', { room_id });
  assert.deepEqual(attendee_list.map(({ uid }) => uid), [hostUid, guestUid]);
  await host('call', 'quit_room', { room_id });
  for (const one of [guest, listener]) assert.equal((await one('sees', 6006)).data.room_id, room_id);
});

test('a stream is taken up where another one was left', { timeout }, async () => {
  const [host, guest] = [await person({ cookies: true }), await person({})];
  await host('login', 'second host');
  const { room_id } = await host('call', 'create_room', { subject: 'tea' });
  // Known by the cookie, from a page whose origin is configured.
  await host('followBySocket', room_id);
  const { id } = await host('sees', 6000);
  await host.page.evaluate(() => chat.end());
  const uid = await guest('login', 'second guest');
  await guest('call', 'login_room', { room_id });
  await guest('call', 'operate_raise_hand', { room_id, type: 2 });
  await host('followBySocket', room_id, id);
  assert.deepEqual((await host('sees', 6002, 1)).data.users[0].uid, uid);
  assert.deepEqual(await host('taken'), [6000, 6003, 6002], 'what was missed comes once, and no second snapshot');
});

test('a page of an origin that is not configured is answered nothing', { timeout }, async () => {
  const host = await person({ cookies: true });
  await host('login', 'third host');
  const { room_id } = await host('call', 'create_room', { subject: 'tea' });
  // Ports make no site: the browser has the cookie, and sends it along from there too.
  const foreign = await on(await host.page.context().newPage(), stranger, { cookies: true });
  const refused = [['call', 'get_room_list', {}], ['followBySse', room_id], ['followBySocket', room_id]];
  for (const what of refused) await assert.rejects(foreign(...what), /Failed to fetch|not opened/, what[0]);
  // The same from its own page.
  await host('followBySocket', room_id);
  assert.equal((await host('sees', 6000)).data.room.room_id, room_id);
});

test('a page calls the services themselves', { timeout }, async () => {
  const { page } = await person({});
  const found = await page.evaluate(async ({ account, room, notifier }) => {
    const { call, frames, field, text } = grpcWeb;
    const unary = async (...asked) => {
      const [{ message }, { trailers }] = await Array.fromAsync(frames(await call(...asked)));
      if (!trailers.includes('grpc-status:0')) throw new Error(trailers);
      return message;
    };
    const token = text(field(await unary(account, 'account.v1.AccountService/Login', { 1: 'web' }), 4));
    const created = await unary(room, 'room.v1.RoomService/CreateRoom', { 1: 'tea' }, token);
    const roomId = text(field(field(created, 2), 1));
    const stream = await call(notifier, 'notifier.v1.NotifierService/Subscribe', { 1: roomId }, token);
    const { value } = await frames(stream).next();
    const told = text(field(field(field(value.message, 1), 2), 1));
    const refused = await call(room, 'room.v1.RoomService/GetRoom', { 1: roomId });
    return { roomId, told, status: refused.headers.get('grpc-status'), id: refused.headers.get('x-request-id') };
  }, suite.addresses);
  assert.match(found.roomId, /^\d{9}$/);
  assert.equal(found.told, found.roomId, 'the stream begins with the room');
  assert.equal(found.status, '16');
  assert.ok(found.id);
  const foreign = await on(await page.context().newPage(), stranger, {});
  const call = (room) => grpcWeb.call(room, 'room.v1.RoomService/GetRoom', {});
  await assert.rejects(foreign.page.evaluate(call, suite.addresses.room), /Failed to fetch/);
});
