// The console: it asks the admin listener for /metrics, /batches, /targets and /config, and draws what they say.
// read.js reads what they say, batches.js draws batches, compose.js sends them.
import { html, render, useEffect, useRef, useState } from './preact-htm.js';
import { Batches } from './batches.js';
import { Compose } from './compose.js';
import { write } from './write.js';
import { number, parseMetrics, quantile, sum, time, tree } from './read.js';

const INTERVAL = 2000;
const SAMPLES = 150;

async function read(path, accept = 'application/json') {
  const reply = await fetch(path, { headers: { Accept: accept }, cache: 'no-store' });
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return accept === 'application/json' ? reply.json() : reply.text();
}

async function readAll() {
  const [metrics, batches, targets, config, yaml] = await Promise.all([
    read('/metrics', 'text/plain'), read('/batches'), read('/targets'), read('/config'), read('/config', 'application/yaml'),
  ]);
  return { metrics: parseMetrics(metrics), batches: batches.batches, targets, config, yaml, at: Date.now() / 1000 };
}

/** What happened between two samples, for each second. */
function rates(before, now) {
  const seconds = Math.max(now.at - before.at, 0.001);
  const rate = (name, only) => Math.max(sum(now.metrics, name, only) - sum(before.metrics, name, only), 0) / seconds;
  const failed = (labels) => labels.code >= '400';
  return {
    at: now.at,
    items: rate('batchgate_items_total'),
    failed: rate('batchgate_items_total', failed),
    batches: rate('batchgate_batches_total'),
    requests: rate('batchgate_requests_total'),
  };
}

function Chart({ points }) {
  const place = useRef();
  const plot = useRef();
  useEffect(() => {
    const text = getComputedStyle(document.documentElement).getPropertyValue('--dim');
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
    const axis = { stroke: text, grid: { stroke: colour('--line') }, ticks: { stroke: colour('--line') } };
    const line = (label, name) => ({ label, stroke: colour(name), width: 2, value: (_, value) => number(value) });
    const options = {
      width: place.current.clientWidth, height: 170,
      axes: [axis, { ...axis, size: 45 }],
      scales: { y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
      series: [{}, line('items/s', '--accent'), line('failed/s', '--bad'), line('requests/s', '--good')],
    };
    plot.current = new uPlot(options, [[], [], [], []], place.current);
    const resized = new ResizeObserver(() => plot.current.setSize({ width: place.current.clientWidth, height: 170 }));
    resized.observe(place.current);
    return () => { resized.disconnect(); plot.current.destroy(); };
  }, []);
  useEffect(() => {
    const column = (name) => points.map((point) => point[name]);
    plot.current.setData([column('at'), column('items'), column('failed'), column('requests')]);
  }, [points]);
  return html`<div ref=${place} role="img" aria-label="Items, failed items and requests a second, over the last minutes"></div>`;
}

function Traffic({ state, points }) {
  const last = points[points.length - 1] ?? { items: 0, failed: 0, batches: 0, requests: 0 };
  const { metrics } = state;
  const tile = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  const time_at = (part) => time(quantile(metrics, 'batchgate_item_duration_seconds', part));
  return html`<${Section} name="Traffic" wide>
    <dl class="tiles">
      ${tile('items/s', number(last.items))}${tile('failed/s', number(last.failed))}
      ${tile('batches/s', number(last.batches))}${tile('requests/s', number(last.requests))}
      ${tile('in flight', sum(metrics, 'batchgate_batches_in_flight'))}
      ${tile('queued', sum(metrics, 'batchgate_items_queued'))}
      ${tile('item p50', time_at(0.5))}${tile('item p99', time_at(0.99))}
    </dl>
    <${Chart} points=${points} />
  </${Section}>`;
}

export function Section({ name, wide, children }) {
  const id = name.toLowerCase();
  return html`<section id=${id} class=${wide ? 'wide' : ''} aria-labelledby=${`${id}-title`}>
    <h2 id=${`${id}-title`}>${name}</h2>${children}</section>`;
}

/** The p50 and p99 of the calls that `/batches` has of a target. */
function latencies(batches, target) {
  const took = batches.flatMap((batch) => batch.items)
    .filter((item) => item.target === target.target && item.upstream === target.upstream && item.total_ms !== null)
    .map((item) => item.total_ms - (item.queued_ms ?? 0)).sort((a, b) => a - b);
  const at = (part) => (took.length ? `${number(took[Math.min(took.length - 1, Math.floor(part * took.length))])} ms` : '–');
  return [at(0.5), at(0.99)];
}

function Targets({ state, refresh }) {
  const [said, say] = useState('');
  const turn = async (target, to) => {
    const path = `/targets/${encodeURIComponent(target.upstream)}/${encodeURIComponent(target.target)}/${to}`;
    const reply = await write(path);
    say(`${target.target}: ${(await reply.text()).trim()}`);
    await refresh();
  };
  const row = (target) => {
    const first = target.addresses[0];
    const sums = (name) => target.addresses.reduce((sum, address) => sum + address[name], 0);
    const healthy = target.addresses.some((address) => address.healthy);
    const [p50, p99] = latencies(state.batches, target);
    const word = target.taken_out ? 'taken out' : target.up ? 'up' : 'down';
    return html`<tr key=${`${target.upstream} ${target.target}`}>
      <td>${target.upstream}</td><td class="mono">${target.target}</td>
      <td class=${target.taken_out ? 'warn' : target.up ? 'good' : 'bad'}>${word}</td>
      <td>${first ? first.circuit : '–'}</td><td>${healthy ? 'healthy' : 'unhealthy'}</td>
      <td>${sums('in_flight')}</td><td>${p50}</td><td>${p99}</td>
      <td>${target.taken_out
        ? html`<button onClick=${() => turn(target, 'in')}>Put back</button>`
        : html`<button onClick=${() => turn(target, 'out')}>Take out</button>`}</td></tr>`;
  };
  const heads = ['Upstream', 'Target', 'State', 'Circuit', 'Health', 'In flight', 'p50', 'p99', 'Change'];
  return html`<${Section} name="Targets" wide>
    <div class="scroll" tabindex="0" role="group" aria-label="Table of targets"><table>
      <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
      <tbody>${state.targets.map(row)}</tbody></table></div>
    <p class="dim" role="status">${said || 'p50 and p99 are those of the items under Batches.'}</p>
  </${Section}>`;
}

function describe(route, config) {
  const upstream = config.upstreams?.[route.upstream];
  const parts = [];
  if (route.methods) parts.push([].concat(route.methods).join(' '));
  if (route.respond) parts.push(`answers ${route.respond.status}`);
  if (route.upstream) parts.push(`to ${route.upstream}`);
  if (upstream) parts.push(`concurrency ${upstream.concurrency}`, `item timeout ${upstream.timeout?.item}`);
  if (route.rate_limits) parts.push(`rate limits ${JSON.stringify(route.rate_limits)}`);
  return parts.join(' · ');
}

function Branch({ node, config }) {
  return html`<ul class="tree">${node.children.map((child) => html`<li key=${child.path}>
    <code>${child.path}</code> ${child.routes.map((route) => html`<small> ${describe(route, config)} </small>`)}
    ${child.children.length > 0 && html`<${Branch} node=${child} config=${config} />`}</li>`)}</ul>`;
}

function Routes({ config }) {
  const endpoints = config.batch ?? [];
  const limits = (endpoint) => `batch endpoint · ${endpoint.dialect} · ${endpoint.max_items} items · ${endpoint.max_body} · concurrency ${endpoint.concurrency} · deadline ${endpoint.deadline}`;
  return html`<${Section} name="Routes">
    <div class="scroll" tabindex="0" role="group" aria-label="Tree of routes">
      <${Branch} node=${tree(config.routes ?? [])} config=${config} />
      <ul class="tree">${endpoints.map((endpoint) => html`<li><code>${endpoint.path}</code> <small>${limits(endpoint)}</small></li>`)}</ul>
    </div>
  </${Section}>`;
}

function Page() {
  const [state, setState] = useState(null);
  const [points, setPoints] = useState([]);
  const [problem, setProblem] = useState('');
  const before = useRef(null);
  const refresh = async () => {
    try {
      const now = await readAll();
      if (before.current) {
        const point = rates(before.current, now);
        setPoints((points) => [...points, point].slice(-SAMPLES));
      }
      before.current = now;
      setState(now);
      setProblem('');
    } catch (error) {
      setProblem(`No news from the gateway: ${error.message}`);
    }
  };
  useEffect(() => {
    refresh();
    const timer = setInterval(() => { if (!document.hidden) refresh(); }, INTERVAL);
    return () => clearInterval(timer);
  }, []);
  const names = ['Traffic', 'Batches', 'Compose', 'Targets', 'Routes', 'Configuration'];
  return html`<header>
      <h1>batchgate</h1>
      <nav aria-label="Parts of the page">${names.map((name) => html`<a href=${`#${name.toLowerCase()}`}>${name}</a>`)}</nav>
      <output class=${problem ? 'bad' : ''}>${problem || (state ? `as of ${new Date(state.at * 1000).toLocaleTimeString()}` : 'loading')}</output>
    </header>
    ${state && html`<main>
      <${Traffic} state=${state} points=${points} />
      <${Batches} batches=${state.batches} config=${state.config} />
      <${Compose} config=${state.config} refresh=${refresh} />
      <${Targets} state=${state} refresh=${refresh} />
      <${Routes} config=${state.config} />
      <${Section} name="Configuration"><pre tabindex="0">${state.yaml}</pre></${Section}>
    </main>`}`;
}

render(html`<${Page} />`, document.getElementById('console'));
