// The web site whose pages call the API: a server of its own, so that its pages are of another origin.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const SCRIPTS = ['chat.js', 'grpc_web.js'];
const PAGE = `<!doctype html><title>chat</title>${SCRIPTS.map((name) => `<script src="/${name}"></script>`).join('')}`;

/** Serves the page on a free port of the loopback. Gives the port, and `stop`. */
export async function serve() {
  const scripts = new Map();
  for (const name of SCRIPTS) {
    scripts.set(`/${name}`, await readFile(new URL(`page/${name}`, import.meta.url)));
  }
  const server = createServer((request, response) => {
    const script = scripts.get(request.url);
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(script ?? PAGE);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const stop = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { port: server.address().port, stop };
}
