// A service of Node that replies in every way, over HTTP/1.1 at one port and over HTTP/2 by prior knowledge at another.
// Arguments: both ports.
const http = require('http');
const http2 = require('http2');

const text = (size) => 'abcdefghijklmnopqrstuvw'.repeat(Math.ceil(size / 23)).slice(0, size);
const page = text(64 << 10);
const large = text(1 << 20);

const plain = { 'Content-Type': 'text/plain' };
const whole = (response, status, body, fields = {}) =>
  response.writeHead(status, { ...plain, 'Content-Length': Buffer.byteLength(body), ...fields }).end(body);

const inPieces = (response, pause) => {
  response.writeHead(200, plain);
  const write = (start) => {
    if (start >= page.length) {
      response.end();
      return;
    }
    response.write(page.slice(start, start + 8192));
    setTimeout(write, pause, start + 8192);
  };
  write(0);
};

const kinds = {
  '/empty': (response) => whole(response, 200, ''),
  '/none': (response) => response.writeHead(204).end(),
  '/unchanged': (response) => response.writeHead(304, { ETag: '"v1"' }).end(),
  '/page': (response) => whole(response, 200, page),
  '/chunked': (response) => inPieces(response, 0),
  '/large': (response) => whole(response, 200, large),
  '/slow': (response) => inPieces(response, 30),
  '/broken': (response) => whole(response, 500, '<h1>Broken</h1>', { 'Content-Type': 'text/html' }),
  // A connection of HTTP/2 has no such field.
  '/close': (response) => whole(response, 200, page, response.stream ? {} : { Connection: 'close' }),
};

const answer = (request, response) => {
  const reply = kinds[request.url] || ((missing) => whole(missing, 404, 'Not here.\n'));
  request.resume().on('end', () => reply(response));
};
const [first, second] = process.argv.slice(2).map(Number);
http.createServer(answer).listen(first, '127.0.0.1');
http2.createServer(answer).listen(second, '127.0.0.1');
