// Writes a batch, explains it, sends it, and shows the reply. The admin listener sends it to the gateway's own front.
import { html, useState } from './preact-htm.js';
import { write } from './write.js';

const ITEMS = `{"requests": [
  {"id": "a", "method": "GET", "url": "/"},
  {"id": "b", "method": "GET", "url": "/", "dependsOn": ["a"]}
]}`;
const PARTS = '--batch_1\r\nContent-Type: application/http\r\nContent-ID: <a>\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n--batch_1--\r\n';
const MULTIPART = { type: 'multipart/mixed; boundary=batch_1', body: PARTS };

/** A batch to begin with, by dialect. */
const SAMPLES = {
  'odata': { type: 'application/json', body: ITEMS },
  'odata-3': MULTIPART,
  'google': MULTIPART,
  'graph': { type: 'application/json', body: ITEMS },
};
const sample = (endpoint) => SAMPLES[endpoint?.dialect] ?? { type: 'application/json', body: ITEMS };

/** Fields as people write them: `Name: value`, one a line. */
function fields(text) {
  return text.split('\n').map((line) => line.split(/:(.*)/s)).filter(([name]) => name.trim())
    .map(([name, value]) => [name.trim(), (value ?? '').trim()]);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function post(batch) {
  const reply = await write('/send', { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(batch) });
  if (!reply.ok) throw new Error(await reply.text());
  return reply.json();
}

export function Compose({ config, refresh }) {
  const endpoints = config.batch ?? [];
  const first = sample(endpoints[0]);
  const [path, setPath] = useState(endpoints[0]?.path ?? '/batch');
  const [type, setType] = useState(first.type);
  const [body, setBody] = useState(first.body);
  const [headers, setHeaders] = useState('');
  const [explained, setExplained] = useState('');
  const [reply, setReply] = useState({ head: '', body: '' });
  const [busy, setBusy] = useState(false);
  const send = async (more) => {
    setBusy(true);
    try {
      const text = type.startsWith('multipart/') ? body.replace(/\r?\n/g, '\r\n') : body;
      return await post({ path, headers: [['Content-Type', type], ...fields(headers), ...more], body: text });
    } catch (error) {
      return { status: 0, head: [], body: error.message };
    } finally {
      setBusy(false);
    }
  };
  const explain = async () => setExplained(pretty((await send([['Prefer', 'handling=explain']])).body));
  const sendIt = async () => {
    const { status, ms, body } = await send([]);
    setReply({ head: status ? `${status} in ${ms} ms` : 'not sent', body: pretty(body) });
    refresh();
  };
  const choose = (event) => {
    setPath(event.target.value);
    const { type, body } = sample(endpoints.find((endpoint) => endpoint.path === event.target.value));
    setType(type);
    setBody(body);
  };
  return html`<section id="compose" class="wide" aria-labelledby="compose-title">
    <h2 id="compose-title">Compose</h2>
    <div class="compose"><div>
      <div class="fields">
        <label>Endpoint <select value=${path} onChange=${choose}>${endpoints.map((endpoint) => html`<option selected=${endpoint.path === path}>${endpoint.path}</option>`)}</select></label>
        <label>Content type <input size="34" value=${type} onInput=${(event) => setType(event.target.value)} /></label>
      </div>
      <label for="compose-batch">Batch</label>
      <textarea id="compose-batch" rows="12" spellcheck="false" value=${body} onInput=${(event) => setBody(event.target.value)}></textarea>
      <label for="compose-fields">More header fields</label>
      <textarea id="compose-fields" rows="2" spellcheck="false" placeholder="Authorization: Bearer …" value=${headers} onInput=${(event) => setHeaders(event.target.value)}></textarea>
      <div class="buttons"><button disabled=${busy} onClick=${explain}>Explain</button>
        <button class="main" disabled=${busy} onClick=${sendIt}>Send</button></div>
    </div><div>
      <h3>Explanation</h3><pre tabindex="0" aria-label="Explanation" role="group">${explained || 'Explain says what would happen, and sends nothing.'}</pre>
      <h3>Reply <span class="dim">${reply.head}</span></h3><pre tabindex="0" aria-label="Reply" role="group" aria-live="polite">${reply.body}</pre>
    </div></div></section>`;
}
