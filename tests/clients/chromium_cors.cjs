// Chromium on a page of another origin than the gateway's: what the page may send there, and read of the replies. Arguments: the
// url of the page, the gateway's. Prints what the page saw as JSON.
'use strict';

const { withPage } = require('./browser.cjs');

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

withPage(async (page) => {
  await page.goto(process.argv[2], { timeout: 30000 });
  console.log(JSON.stringify(await page.evaluate(see, process.argv[3])));
});
