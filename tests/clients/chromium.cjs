// Chromium before the gateway: an EventSource and a WebSocket of a page, and the times of a batch. Arguments: the url of the page.
// Prints what the page saw as JSON.
'use strict';

const { withPage } = require('./browser.cjs');

/** Runs in the page. */
async function see() {
  const within = (what, promise) => Promise.race([
    promise,
    new Promise((_, fail) => setTimeout(() => fail(new Error(`${what} took too long`)), 20000)),
  ]);
  const events = within('the stream of events', new Promise((done) => {
    const seen = [];
    const source = new EventSource('/events');
    source.onmessage = (event) => {
      seen.push({ id: event.lastEventId, data: event.data });
      // The service ends each stream after three events; the fourth comes after a reconnection.
      if (seen.length === 4) { source.close(); done(seen); }
    };
  }));
  const socket = within('the WebSocket', new Promise((done, fail) => {
    const seen = [];
    const socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/echo`);
    socket.onopen = () => { socket.send('Łukasz'); socket.send(new Uint8Array([0, 255])); };
    socket.binaryType = 'arraybuffer';
    socket.onerror = () => fail(new Error('the WebSocket failed'));
    socket.onmessage = (event) => {
      seen.push(typeof event.data === 'string' ? event.data : Array.from(new Uint8Array(event.data)));
      if (seen.length === 2) socket.close(4002);
    };
    socket.onclose = (event) => done({ seen, code: event.code, clean: event.wasClean });
  }));
  const send = async () => {
    const body = JSON.stringify({ requests: [{ method: 'GET', url: '/page' }] });
    await (await fetch('/batch', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })).text();
    const [entry] = performance.getEntriesByName(new URL('/batch', location.href).href);
    return entry.serverTiming.map(({ name, duration, description }) => ({ name, duration, description }));
  };
  const timing = within('the batch', send());
  return { events: await events, socket: await socket, timing: await timing };
}

withPage(async (page) => {
  await page.goto(process.argv[2], { timeout: 30000 });
  console.log(JSON.stringify(await page.evaluate(see)));
}, { ignoreHTTPSErrors: true });
