// Chromium on a page of another origin than the gateway's: what the page may send there, and read of the replies. Arguments: the
// url of the page, the gateway's. Prints what the page saw as JSON.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { chromium } = require('playwright-core');

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Runs in the page. */
async function see(gateway) {
  const ask = async (target, options) => {
    try {
      const reply = await fetch(gateway + target, options);
      const fields = Object.fromEntries(['x-total', 'x-request-id', 'x-hidden'].map((name) => [name, reply.headers.get(name)]));
      return { status: reply.status, text: await reply.text(), ...fields };
    } catch (error) {
      return { error: error.name };
    }
  };
  const headers = { 'Content-Type': 'application/json', 'X-App': '1' };
  return {
    put: await ask('/orders/1', { method: 'PUT', headers, body: '{}', credentials: 'include' }),
    get: await ask('/orders/1', {}),
    wrongMethod: await ask('/orders/1', { method: 'DELETE' }),
    wrongField: await ask('/orders/1', { headers: { 'X-Other': '1' } }),
    tooLarge: await ask('/orders/1', { method: 'PUT', headers, body: JSON.stringify('x'.repeat(100)), credentials: 'include' }),
    otherRoute: await ask('/private', {}),
  };
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'batchgate-chromium-'));
  const browser = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM, headless: true, args: FLAGS, timeout: 60000,
  });
  try {
    const page = await browser.newPage();
    await page.goto(process.argv[2], { timeout: 30000 });
    console.log(JSON.stringify(await page.evaluate(see, process.argv[3])));
  } finally {
    await browser.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error) => { console.error(error); process.exitCode = 1; });
