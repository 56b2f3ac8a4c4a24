// Reads what the gateway says: Prometheus' text format, histograms, routes, numbers.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** The samples of each metric: its labels and its value. */
export function parseMetrics(text) {
  const metrics = new Map();
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (!match) continue;
    const labels = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(LABEL)) labels[name] = value;
    if (!metrics.has(match[1])) metrics.set(match[1], []);
    metrics.get(match[1]).push({ labels, value: Number(match[3]) });
  }
  return metrics;
}

export function sum(metrics, name, only = () => true) {
  return (metrics.get(name) ?? []).filter(({ labels }) => only(labels)).reduce((sum, { value }) => sum + value, 0);
}

/** A quantile of a histogram over all its labels, in seconds: the upper bound of the bucket that it is in. */
export function quantile(metrics, name, part) {
  const buckets = new Map();
  for (const { labels, value } of metrics.get(`${name}_bucket`) ?? []) {
    const bound = labels.le === '+Inf' ? Infinity : Number(labels.le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  const total = buckets.get(Infinity) ?? 0;
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  return total === 0 ? NaN : bounds.find((bound) => buckets.get(bound) >= part * total);
}

export function time(seconds) {
  if (Number.isNaN(seconds)) return '–';
  return seconds === Infinity ? 'very long' : seconds < 1 ? `≤ ${number(seconds * 1000)} ms` : `≤ ${number(seconds)} s`;
}

export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return value >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}

/** The colour of a status, and of an item that has none. */
export function colour(status) {
  if (status >= 500) return 'bad';
  if (status >= 400) return 'warn';
  return status >= 200 ? 'good' : 'none';
}

/** Routes as a tree: a route is below the one with the longest path that its own begins with. */
export function tree(routes) {
  const root = { path: '', routes: [], children: [] };
  const sorted = [...routes].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const covers = (path, other) => path === '' || other === path || other.startsWith(path.endsWith('/') ? path : `${path}/`);
  for (const route of sorted) {
    let node = root;
    for (let next = root; next; next = node.children.find((child) => covers(child.path, route.path))) node = next;
    if (node.path === route.path && node !== root) node.routes.push(route);
    else node.children.push({ path: route.path, routes: [route], children: [] });
  }
  return root;
}

/** Where clients come in, as a url of this machine. */
export function front(config) {
  const listeners = [].concat(config.listen ?? []).map((one) => (typeof one === 'string' ? { address: one } : one));
  const found = listeners.find((one) => !String(one.address).startsWith('unix:'));
  if (!found) return '';
  const address = found.address.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:');
  return `${found.tls ? 'https' : 'http'}://${address}`;
}

/** A word as a shell takes it. */
export function quoted(word) {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
