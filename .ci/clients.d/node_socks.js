// CONNECT and BIND by SOCKS4, with node's socks package.
//
// node_socks.js PROXY:PORT connect|bind HOST PORT

'use strict';

const net = require('net');
const { SocksClient } = require('socks');

const [proxy, command, host, port] = process.argv.slice(2);
const [proxyHost, proxyPort] = proxy.split(':');
const client = new SocksClient({
  proxy: { host: proxyHost, port: Number(proxyPort), type: 4, userId: 'joe' },
  command,
  // The peer that is expected for BIND.
  destination: { host, port: command === 'bind' ? 20 : Number(port) },
});
client.on('error', (error) => {
  throw error;
});
client.on('established', ({ socket }) => {
  socket.pipe(process.stdout);
  socket.resume();
  if (command === 'connect') {
    socket.write('GET /small HTTP/1.0\r\n\r\n');
  } else {
    socket.end();
  }
});
client.on('bound', ({ remoteHost: listening }) => {
  const peer = net.connect(listening.port, listening.host);
  peer.end('it works\n');
  peer.resume();
});
client.connect();
