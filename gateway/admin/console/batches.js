// The last batches, and one of them as a waterfall: a bar for each item.
import { html, useState } from './preact-htm.js';
import { colour, front, number, quoted } from './read.js';

const ROW = 26;

const words = (batch) => [
  batch.id, batch.endpoint, batch.format, batch.outcome, batch.reason, batch.status,
  ...batch.items.flatMap((item) => [item.id, item.method, item.path, item.status, item.target, item.upstream, item.outcome, item.reason]),
].join(' ').toLowerCase();

const endColour = { ok: 'good', partial: 'warn', failed: 'bad', refused: 'bad', client_gone: 'warn', explained: 'none' };

export function Batches({ batches, config }) {
  const [filter, setFilter] = useState('');
  const [chosen, choose] = useState(null);
  const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = batches.filter((batch) => wanted.every((word) => words(batch).includes(word)));
  const key = (batch) => `${batch.id} ${batch.started}`;
  const batch = shown.find((batch) => key(batch) === chosen) ?? shown[0];
  return html`<section id="batches" class="wide" aria-labelledby="batches-title">
    <h2 id="batches-title">Batches</h2>
    <label>Filter <input type="search" aria-label="Filter" placeholder="500 /orders" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
    ${batches.length === 0 && html`<p class="dim">No batch yet.</p>`}
    <div class="batches">
      <ul class="list" tabindex="0" aria-label="Recent batches">${shown.map((one) => html`<li key=${key(one)}>
        <button aria-pressed=${one === batch} onClick=${() => choose(key(one))}>
          <span class=${`dot ${endColour[one.outcome]}`}></span>
          <span>${one.endpoint} <span class=${endColour[one.outcome]}>${one.outcome}</span></span><span>${number(one.duration_ms)} ms</span>
          <small>${new Date(one.started * 1000).toLocaleTimeString()} · ${one.item_count} items, ${one.failed} failed · ${one.format || one.reason}</small>
        </button></li>`)}</ul>
      ${batch && html`<${Waterfall} key=${key(batch)} batch=${batch} config=${config} />`}
    </div></section>`;
}

const start = (item) => item.start_ms;
const end = (item) => item.start_ms + (item.total_ms ?? 0);

function Waterfall({ batch, config }) {
  const [position, setPosition] = useState(null);
  const scale = Math.max(batch.duration_ms, ...batch.items.map(end), 0.001);
  const item = batch.items.find((item) => item.position === position);
  return html`<div>
    <div class="legend" aria-hidden="true">
      ${[['queued', 'queued'], ['connect', 'connecting'], ['wait', 'waiting'], ['receive', 'receiving']].map(([name, text]) => html`<span><i class=${name}></i>${text}</span>`)}
    </div>
    <div class="fall" tabindex="0" role="group" aria-label="Items of the batch">
      <ol>${batch.items.map((one) => html`<${Row} key=${one.position} item=${one} scale=${scale}
        isChosen=${one.position === position} choose=${() => setPosition(one.position)} />`)}</ol>
      <${Arrows} items=${batch.items} scale=${scale} />
    </div>
    ${batch.omitted > 0 && html`<p class="dim">${batch.omitted} more items are not kept.</p>`}
    ${item && html`<${Detail} item=${item} batch=${batch} config=${config} />`}
  </div>`;
}

/** The pieces of an item's time, in milliseconds of its batch. */
function pieces(item) {
  const began = start(item) + (item.queued_ms ?? 0);
  const found = [['queued', start(item), began]];
  let from = began;
  for (const call of item.calls) {
    const connected = call.connected_ms ?? from;
    found.push(['connect', from, connected], ['queued', connected, call.sent_ms]);
    found.push(['wait', call.sent_ms, call.first_byte_ms ?? call.end_ms]);
    if (call.first_byte_ms !== null) found.push(['receive', call.first_byte_ms, call.end_ms]);
    from = call.end_ms;
  }
  for (const failed of item.not_connected) found.push(['connect', failed.start_ms, failed.end_ms]);
  return found.filter(([, from, to]) => to > from);
}

function Row({ item, scale, isChosen, choose }) {
  const share = (value) => `${(100 * value) / scale}%`;
  const length = Math.max(item.total_ms ?? 0, 0);
  const inside = (value) => `${length ? (100 * value) / length : 0}%`;
  const name = `${item.id}: ${item.status}, ${number(item.total_ms ?? 0)} ms, ${item.target || 'no target'}`;
  return html`<li>
    <span class="name" title=${item.path}>${item.id} ${item.method} ${item.path}</span>
    <span class="track"><button class=${`bar ${colour(item.status)}`} aria-label=${name} title=${name} aria-pressed=${isChosen} onClick=${choose}
      style=${{ left: share(Math.min(start(item), scale * 0.99)), width: share(length) }}>
      ${pieces(item).map(([kind, from, to]) => html`<i class=${kind} style=${{ left: inside(from - start(item)), width: inside(to - from) }}></i>`)}
    </button></span>
    <span class="number"><span class=${colour(item.status)}>${item.status}</span> ${item.total_ms === null ? '' : `${number(item.total_ms)} ms`}</span>
  </li>`;
}

/** A line from the end of each item to the start of those that waited for it. */
function Arrows({ items, scale }) {
  const rows = new Map(items.map((item, index) => [item.position, { item, y: index * ROW + ROW / 2 }]));
  const lines = items.flatMap((item) => (item.after ?? []).filter((on) => rows.has(on)).map((on) => [rows.get(on), rows.get(item.position)]));
  if (lines.length === 0) return null;
  const x = (value) => (1000 * value) / scale;
  const path = ([from, to]) => {
    const [x1, x2] = [x(end(from.item)), x(start(to.item) + (to.item.queued_ms ?? 0))];
    return `M${x1},${from.y} C${x1 + 30},${from.y} ${x2 - 30},${to.y} ${x2},${to.y}`;
  };
  const height = items.length * ROW;
  return html`<svg aria-hidden="true" viewBox=${`0 0 1000 ${height}`} height=${height} preserveAspectRatio="none">
    ${lines.map((line) => html`<path d=${path(line)} />`)}</svg>`;
}

function Detail({ item, batch, config }) {
  const [copied, setCopied] = useState('');
  const command = `curl -i -X ${quoted(item.method)} ${quoted(front(config) + item.path)}`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      setCopied('Copied.');
    } catch {
      setCopied('The browser does not let the page copy: select the command.');
    }
  };
  const rows = [
    ['Item', `${item.id}: ${item.method} ${item.path}`], ['Status', `${item.status} (${item.outcome})`],
    ['Reason', item.reason], ['Limit', item.limit], ['Route', item.route], ['Target', [item.upstream, item.target].filter(Boolean).join(' ')],
    ['Attempts', item.calls.map((call) => `${call.target}: ${call.status ?? 'no reply'}`).join(', ')],
    ['Not connected', item.not_connected.map((failed) => `${failed.target}: ${failed.reason} after ${number(failed.end_ms - failed.start_ms)} ms`).join(', ')],
    ['Queued', item.queued_ms], ['Connecting', item.connect_ms], ['First byte', item.first_byte_ms], ['In total', item.total_ms],
    ['After', (item.after ?? []).join(', ')], ['Span', item.span_id], ['Request id', batch.id],
  ].filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return html`<div class="detail" role="group" aria-label="Item">
    <dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${typeof value === 'number' ? `${number(value)} ms` : value}</dd>`)}</dl>
    <pre tabindex="0">${command}</pre>
    <div class="buttons"><button onClick=${copy}>Copy as curl</button><span class="dim" role="status">${copied || 'Without the query and the body, which are not kept.'}</span></div>
  </div>`;
}
