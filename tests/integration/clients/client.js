// SPDX-License-Identifier: BSD-2-Clause
// Asks akkod for everything that Node's client knows of HTTP/1:
// node client.js URL CAFILE. One line per case, "ok NAME" or "FAIL NAME: why".
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');

const base = new URL(process.argv[2]);
const ca = fs.readFileSync(process.argv[3]);
const lib = base.protocol === 'https:' ? https : http;
const agent = new lib.Agent({ keepAlive: true, ca });

function ask(method, path, { body, headers, chunked, hold } = {}) {
  return new Promise((resolve, reject) => {
    const r = lib.request(new URL(path, base), { method, agent, headers, timeout: 20000 });
    const seen = { hints: [], continued: false };
    r.on('error', reject);
    r.on('timeout', () => r.destroy(new Error('timeout')));
    r.on('information', (i) => seen.hints.push(i));
    r.on('continue', () => { seen.continued = true; r.end(body); });
    r.on('response', (a) => {
      const parts = [];
      a.on('data', (d) => parts.push(d));
      a.on('aborted', () => reject(new Error('aborted')));
      a.on('error', reject);
      a.on('end', () => resolve({ ...seen, status: a.statusCode, headers: a.headers,
        trailers: a.trailers, reused: r.reusedSocket, body: Buffer.concat(parts) }));
    });
    if (hold) r.flushHeaders();
    else if (chunked) { r.write(body.slice(0, 2)); r.end(body.slice(2)); }
    else r.end(body);
  });
}

async function echo(...args) {
  const a = await ask(...args);
  assert.strictEqual(a.status, 200);
  return { ...a, seen: JSON.parse(a.body) };
}

const cases = {
  async get() {
    assert.strictEqual((await echo('GET', '/a%20b?c=d')).seen.target, '/a%20b?c=d');
  },
  async head() {
    const a = await ask('HEAD', '/');
    assert(a.status === 200 && a.body.length === 0 && a.headers['content-length'] > 0);
  },
  async post() {
    const headers = { 'Content-Length': 5 };
    assert.strictEqual((await echo('POST', '/', { body: 'hello', headers })).seen.body, 'hello');
  },
  async chunked() {
    assert.strictEqual((await echo('POST', '/', { body: 'hello', chunked: true })).seen.body, 'hello');
  },
  async expect() {
    const headers = { Expect: '100-continue', 'Content-Length': 5 };
    const a = await echo('POST', '/', { body: 'hello', headers, hold: true });
    assert(a.continued && a.seen.body === 'hello');
  },
  async 'keep-alive'() {
    for (let n = 0; n < 20; n++) assert((await echo('GET', '/')).reused || n === 0);
  },
  async large() {
    const body = Buffer.alloc(16 << 20, '0123456789abcdef');
    const a = await ask('PUT', '/mirror', { body });
    assert(a.body.equals(body));
  },
  async trailer() {
    const a = await ask('GET', '/trailer');
    assert(a.body.toString() === 'hello' && a.trailers['x-sum'] === '1');
  },
  async hints() {
    const a = await ask('GET', '/hints');
    assert.deepStrictEqual(a.hints.map((h) => [h.statusCode, h.headers.link]),
      [[103, '</a>'], [103, '</a>']]);
  },
  async truncated() {
    await assert.rejects(ask('GET', '/cut-length'));
    await assert.rejects(ask('GET', '/cut-chunked'));
  },
  async parallel() {
    await Promise.all(Array.from({ length: 100 }, async (_, n) => {
      assert.strictEqual((await echo('GET', `/n${n}`)).seen.target, `/n${n}`);
    }));
  },
};

(async () => {
  let failed = false;
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (e) {
      console.log(`FAIL ${name}: ${e.message}`);
      failed = true;
    }
  }
  agent.destroy();
  process.exitCode = failed ? 1 : 0;
})();
