// Chromium for the scripts here: it resolves nothing but loopback, and its profile is gone afterwards.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { chromium } = require('playwright-core');

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Opens a page, and does this work with it. A failure is the exit code of the script. */
exports.withPage = async (work, options = {}) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'batchgate-chromium-'));
  const browser = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM, headless: true, args: FLAGS, timeout: 60000, ...options,
  });
  try {
    await work(await browser.newPage());
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    await browser.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
};
