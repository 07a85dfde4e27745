// Cables between a browser and the servers, of calls and of sound: each can be pulled, and put in again.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A cable to that address on a free port of the loopback. Gives its `address`, `pull`, `plug` and `stop`. */
export async function cable(address) {
  const { hostname, port } = new URL(address);
  const open = new Set();
  let pulled = false;
  const server = createServer((near) => {
    if (pulled) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => {});
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
    return undefined;
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = () => {
    pulled = true;
    for (const socket of open) socket.destroy();
  };
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    pull: cut,
    plug() { pulled = false; },
    stop: () => new Promise((resolve) => {
      server.close(resolve);
      cut();
    }),
  };
}

/** A cable for the datagrams of one client to that port of the loopback. Gives its own `port`, `pull`, `plug` and `stop`. */
export async function soundCable(port) {
  const [near, far] = [createSocket('udp4'), createSocket('udp4')];
  near.bind(0, '127.0.0.1');
  far.bind(0, '127.0.0.1');
  await Promise.all([once(near, 'listening'), once(far, 'listening')]);
  let [client, pulled] = [0, false];
  near.on('message', (datagram, { port: from }) => {
    client = from;
    if (!pulled) far.send(datagram, port, '127.0.0.1');
  });
  far.on('message', (datagram) => client && !pulled && near.send(datagram, client, '127.0.0.1'));
  return {
    port: near.address().port,
    pull() { pulled = true; },
    plug() { pulled = false; },
    stop() {
      near.close();
      far.close();
    },
  };
}
