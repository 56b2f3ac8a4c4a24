// Chromium at the console. Arguments: the url of the console, and perhaps a file for a screenshot.
// Does what an operator does, and prints what the page showed as JSON.
'use strict';

const fs = require('fs');

const { withPage } = require('./browser.cjs');

const BATCH = { requests: [{ id: 'sent', method: 'GET', url: '/orders/9' }, { id: 'gone', method: 'GET', url: '/missing' }] };
const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** What axe has to say about the page, in this colour scheme and width. */
async function violations(page, colorScheme, width) {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 900 });
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
  return overflow > 0 ? [...found, `${colorScheme} ${width}: ${overflow} pixels too wide`] : found;
}

async function batches(page) {
  const region = page.getByRole('region', { name: 'Batches' });
  const list = region.getByRole('list', { name: 'Recent batches' }).getByRole('button');
  await list.first().waitFor();
  const all = await list.count();
  await page.getByRole('searchbox', { name: 'Filter' }).fill('/broken');
  await page.waitForFunction((all) => document.querySelectorAll('#batches .list button').length < all, all);
  const filtered = await list.count();
  const bars = region.locator('.bar');
  const names = await bars.evaluateAll((bars) => bars.map((bar) => bar.getAttribute('aria-label')));
  // By the keyboard alone.
  await region.getByRole('button', { name: /^b: / }).focus();
  await page.keyboard.press('Enter');
  const detail = await region.getByRole('group', { name: 'Item', exact: true }).innerText();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await region.getByRole('button', { name: 'Copy as curl' }).click();
  await region.getByText('Copied.').waitFor();
  const curl = await page.evaluate(() => navigator.clipboard.readText());
  const arrows = await region.locator('svg path').count();
  return { all, filtered, names, detail, curl, arrows };
}

async function compose(page) {
  const region = page.getByRole('region', { name: 'Compose' });
  await region.getByLabel('Batch', { exact: true }).fill(JSON.stringify(BATCH));
  const explanation = region.getByRole('group', { name: 'Explanation' });
  await region.getByRole('button', { name: 'Explain' }).click();
  await explanation.getByText('"dialect"').waitFor();
  const reply = region.getByRole('group', { name: 'Reply' });
  await region.getByRole('button', { name: 'Send' }).click();
  await reply.getByText('"responses"').waitFor();
  return { explanation: JSON.parse(await explanation.innerText()), reply: JSON.parse(await reply.innerText()) };
}

/** As a gateway on another machine would: it refuses what comes without the token. */
async function refuse(route) {
  const known = route.request().headers().authorization === 'Bearer 0123456789abcdef';
  return known ? route.continue() : route.fulfill({ status: 401, contentType: 'text/plain', body: 'needs the token' });
}

async function giveToken(page, wrong) {
  const dialog = page.getByRole('dialog', { name: 'Token' });
  await dialog.waitFor();
  const found = await violations(page, 'light', 390);
  await dialog.getByLabel('Token', { exact: true }).fill(wrong);
  await dialog.getByRole('button', { name: 'Use' }).click();
  await dialog.getByText('does not know').waitFor();
  await dialog.getByLabel('Token', { exact: true }).fill('0123456789abcdef');
  await page.keyboard.press('Enter');
  return found;
}

async function targets(page, seen) {
  const region = page.getByRole('region', { name: 'Targets' });
  await page.route('**/targets/**', refuse);
  await region.getByRole('button', { name: 'Take out' }).first().click();
  seen.violations.push(...await giveToken(page, 'a wrong token'));
  await region.getByRole('button', { name: 'Put back' }).first().waitFor();
  const out = await region.getByRole('table').innerText();
  await region.getByRole('button', { name: 'Put back' }).first().click();
  await region.getByRole('button', { name: 'Take out' }).first().waitFor();
  return out;
}

async function look(page, url) {
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error' && !/ 401 /.test(message.text())) wrong.push(message.text()); });
  page.on('request', (request) => { if (!/^(data:|http:\/\/127\.0\.0\.1:)/.test(request.url())) wrong.push(request.url()); });
  await page.goto(url, { timeout: 30000 });
  await page.getByRole('region', { name: 'Configuration' }).waitFor();
  const regions = await page.getByRole('region').evaluateAll((all) => all.map((one) => one.querySelector('h2').textContent));
  const seen = { regions, batches: await batches(page), compose: await compose(page), violations: [] };
  seen.targets = await targets(page, seen);
  seen.routes = await page.getByRole('region', { name: 'Routes' }).innerText();
  for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['light', 390]]) {
    seen.violations.push(...await violations(page, scheme, width));
  }
  return { ...seen, wrong };
}

const [url, screenshot] = process.argv.slice(2);
withPage(async (page) => {
  if (screenshot) {
    await page.goto(url);
    await page.locator('#batches .bar').first().waitFor();
    await page.waitForTimeout(7000);
    await page.screenshot({ path: screenshot });
  } else {
    console.log(JSON.stringify(await look(page, url)));
  }
}, { viewport: { width: 1280, height: 900 } });
