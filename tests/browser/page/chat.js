// Runs in the page: a client of the documented API that has nothing but what a browser has.

class Chat {
  #base;
  #cookies;
  #token;
  #told = [];
  #taken = [];
  #news = () => {};

  /** Of the gateway at `base`; with `cookies` it is known by what the browser keeps, else by its token. */
  constructor(base, { cookies }) {
    this.#base = `${base}/chat_room`;
    this.#cookies = cookies;
  }

  /** The data of a call that succeeds. */
  async call(method, body = {}) {
    const headers = { 'content-type': 'application/json' };
    if (!this.#cookies && this.#token) headers.authorization = `Bearer ${this.#token}`;
    const response = await fetch(`${this.#base}/${method}`, {
      method: 'POST',
      headers,
      credentials: this.#cookies ? 'include' : 'omit',
      body: JSON.stringify({ uid: this.uid, ...body }),
    });
    const { ret, data } = await response.json();
    if (ret.code !== 0) throw new Error(`${method}: ${ret.code} ${ret.message}`);
    return data;
  }

  async login(name) {
    const { uid, token } = await this.call('login', { nick_name: name });
    [this.uid, this.#token] = [uid, token];
    return uid;
  }

  /** Follows a room by server-sent events: known by the cookie, else by a ticket. */
  async followBySse(room) {
    const query = new URLSearchParams({ room_id: room });
    if (!this.#cookies) query.set('ticket', (await this.call('misc/get_event_ticket')).ticket);
    const source = new EventSource(`${this.#base}/events?${query}`, { withCredentials: this.#cookies });
    for (const event of ['snapshot', 'room_extra_info', 'custom_command']) {
      source.addEventListener(event, ({ data, lastEventId }) => this.#tell(event, JSON.parse(data), lastEventId));
    }
    this.end = () => source.close();
    return opened(source);
  }

  /** Follows a room over a WebSocket: known by the cookie, else by the token as a subprotocol. */
  async followBySocket(room, last = '') {
    const protocols = this.#cookies ? [] : ['gochat.events', `gochat.bearer.${this.#token}`];
    const query = new URLSearchParams({ room_id: room, last_event_id: last });
    const socket = new WebSocket(`${this.#base.replace('http', 'ws')}/events?${query}`, protocols);
    socket.addEventListener('message', ({ data }) => {
      const frame = JSON.parse(data);
      this.#tell(frame.event, frame.data, frame.id);
    });
    this.end = () => socket.close();
    await opened(socket);
    return socket.protocol;
  }

  /** The next notification of this number, with its data and the id to resume from. */
  async sees(cmd, type) {
    for (;;) {
      const told = this.#told.shift();
      if (!told) {
        await new Promise((resolve) => { this.#news = resolve; });
        continue;
      }
      this.#taken.push(told.cmd);
      if (told.cmd === cmd && (type === undefined || told.data.type === type)) return told;
    }
  }

  /** The numbers of all that was told up to what was seen last. */
  taken() {
    return this.#taken;
  }

  #tell(event, body, id) {
    if (body?.cmd === undefined) return;
    this.#told.push({ event, id, ...body });
    this.#news();
  }
}

function opened(stream) {
  return new Promise((resolve, reject) => {
    stream.addEventListener('open', () => resolve());
    stream.addEventListener('error', () => reject(new Error('not opened')));
  });
}
