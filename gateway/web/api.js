// The documented HTTP API: one call a method, and who this page is.

const BASE = '/chat_room';
const KEPT = 'gochat.session';
/** Milliseconds after which an answer is not waited for any more. */
const PATIENCE = 15_000;

/** What a call may be answered with, by number. */
export const CODE = Object.freeze({
  nickNameInUse: 80000,
  roomNotFound: 80002,
  roomFull: 80003,
  alreadyInRoom: 80004,
  stageFull: 80005,
  notPermitted: 80010,
  notInRoom: 80011,
  notLoggedIn: 80012,
  invitationInvalid: 80014,
  banned: 80015,
  fault: 100001,
});

/** Values of the documented switches: hands, microphones, answers. */
export const OFF = 1;
export const ON = 2;

/** A call that was turned down, or didn't come through. `code` is 0 where no answer came at all. */
export class Refused extends Error {
  constructor({ code = 0, status = 0, message = '', data, retryAfter } = {}) {
    super(message || `refused: ${code}`);
    Object.assign(this, { name: 'Refused', code, status, data, retryAfter });
  }

  /** Whether the same call may succeed in a moment. */
  get mayPass() {
    return this.code === 0 || this.code === CODE.fault || this.status === 429 || this.status >= 500;
  }
}

/** Calls as one user. Tells `signed_out` once the services know that user no more. */
export class Api extends EventTarget {
  #session = kept();

  /** `{ uid, nick_name, token }`, or null before a login. */
  get session() {
    return this.#session;
  }

  async login(nickName) {
    const { uid, nick_name, token } = await this.call('login', { nick_name: nickName });
    this.#keep({ uid, nick_name, token });
  }

  /** Ends the session. One that can't be reached ends by itself, some minutes later. */
  async logout() {
    await this.call('logout').catch(() => {});
    this.#keep(null);
  }

  /** The data of a method that succeeds; else fails with `Refused`. */
  async call(method, body = {}) {
    const uid = this.#session?.uid;
    const response = await this.#fetch(`${BASE}/${method}`, {
      method: 'POST',
      type: 'application/json',
      body: JSON.stringify(uid ? { uid, ...body } : body),
    });
    return (await this.#envelope(response)).data ?? {};
  }

  /** How a room's sound is carried: `{ engine, slots, ice_servers }`; null where it isn't. */
  async mediaInfo(roomId) {
    const response = await this.#fetch(media('info', roomId), { method: 'GET' });
    if (response.status === 404) return null;
    const answer = await this.#envelope(response);
    return answer.data ?? answer;
  }

  /** Opens media with an SDP offer. Gives the answer, and where the session is ended. */
  async openMedia(roomId, offer) {
    const address = media('', roomId);
    const response = await this.#fetch(address, { method: 'POST', type: 'application/sdp', body: offer });
    if (response.status !== 201) {
      await this.#envelope(response);
      throw new Refused({ status: response.status });
    }
    const location = response.headers.get('location');
    return { answer: await response.text(), location: location && new URL(location, response.url).href };
  }

  /** Ends a media session; one that can't be reached ends with the stay in the room. */
  async closeMedia(location) {
    await this.#fetch(location, { method: 'DELETE', keepalive: true }).catch(() => {});
  }

  /** The address of a room's event stream, and the protocols that say who asks. */
  events(roomId, lastId) {
    const address = new URL(`${BASE}/events`, window.location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    address.searchParams.set('room_id', roomId);
    if (lastId) address.searchParams.set('last_event_id', lastId);
    return [address, ['gochat.events', `gochat.bearer.${this.#session?.token}`]];
  }

  async #fetch(address, { type, ...options }) {
    const headers = {};
    if (type) headers['content-type'] = type;
    if (this.#session) headers.authorization = `Bearer ${this.#session.token}`;
    try {
      return await fetch(address, { ...options, headers, credentials: 'omit', signal: AbortSignal.timeout(PATIENCE) });
    } catch {
      throw new Refused({ message: 'no answer' });
    }
  }

  async #envelope(response) {
    const answer = await response.json().catch(() => null);
    const { code = 0, message = '' } = answer?.ret ?? {};
    if (response.ok && answer?.ret && code === 0) return answer;
    if (code === CODE.notLoggedIn) this.#signedOut();
    const retryAfter = Number(response.headers.get('retry-after')) || undefined;
    throw new Refused({ code, message, status: response.status, data: answer?.data, retryAfter });
  }

  #signedOut() {
    if (!this.#session) return;
    this.#keep(null);
    this.dispatchEvent(new Event('signed_out'));
  }

  #keep(session) {
    this.#session = session;
    try {
      if (session) sessionStorage.setItem(KEPT, JSON.stringify(session));
      else sessionStorage.removeItem(KEPT);
    } catch {
      // A browser that keeps nothing: this page knows who it is until it is reloaded.
    }
  }
}

function media(what, roomId) {
  const path = what ? `${BASE}/media/${what}` : `${BASE}/media`;
  return `${path}?room_id=${encodeURIComponent(roomId)}`;
}

function kept() {
  try {
    const session = JSON.parse(sessionStorage.getItem(KEPT));
    return session?.token && session?.uid ? session : null;
  } catch {
    return null;
  }
}
