// A service of Node at a Unix socket. Every reply is in two chunks: the path, and the number of connections so far.
// Arguments: the path of the socket.
const http = require('http');

let connections = 0;
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'Content-Type': 'text/plain' }).write(request.url);
    setImmediate(() => response.end(` ${connections}`));
  });
});
server.on('connection', () => { connections += 1; });
server.listen(process.argv[2]);
