// A suite of our own: all services in one process, on ports that it picks, ended with these tests.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const SERVICES = ['account', 'room', 'stage', 'notifier', 'gateway'];
const ADDRESS = new RegExp(`^(${SERVICES.join('|')})\\s+(https?://\\S+?)/?$`);
// Milliseconds that the suite has to print its addresses, and to end.
const PATIENCE = 20_000;
// What it wrote to its log last is shown where it fails.
const LAST_LINES = 40;

/**
 * Starts `program` with some variables besides those that find it a port. Gives its addresses, as
 * `{ gateway: 'http://127.0.0.1:40001', … }`, and `stop`, which fails if it doesn't end in order.
 */
export async function start(program, variables) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GOCHAT_')));
  for (const name of SERVICES) {
    env[`GOCHAT_${name.toUpperCase()}_LISTEN`] = env[`GOCHAT_${name.toUpperCase()}_ADMIN_LISTEN`] = '127.0.0.1:0';
  }
  // The pages find their media through the gateway.
  env.GOCHAT_MEDIA_LISTEN = env.GOCHAT_MEDIA_ADMIN_LISTEN = env.GOCHAT_MEDIA_UDP_LISTEN = '127.0.0.1:0';
  const child = spawn(program, ['serve', '--ephemeral'], {
    env: { ...env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = [];
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line) > LAST_LINES && log.shift());
  const ended = new Promise((resolve) => child.once('error', resolve).once('exit', resolve));
  try {
    const addresses = await within(told(child, ended), 'the suite does not say where it is');
    return { addresses, stop: () => stop(child, ended) };
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error([error.message, ...log].join('\n'), { cause: error });
  }
}

async function told(child, ended) {
  const addresses = {};
  const all = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, name, address] = ADDRESS.exec(line.trim()) ?? [];
      if (name) addresses[name] = address;
      if (Object.keys(addresses).length === SERVICES.length) resolve(addresses);
    });
  });
  const early = ended.then((how) => Promise.reject(new Error(`the suite ended before it served: ${how}`)));
  return Promise.race([all, early]);
}

async function stop(child, ended) {
  child.kill('SIGTERM');
  const code = await within(ended, 'the suite does not end').finally(() => child.kill('SIGKILL'));
  if (code !== 0) throw new Error(`the suite ended with ${code}`);
}

function within(coming, otherwise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${otherwise} within ${PATIENCE} ms`)), PATIENCE);
  });
  return Promise.race([coming, late]).finally(() => clearTimeout(timer));
}
