// ASSOCIATE and BIND by node's socks package.
//
// node.js PROXY:PORT associate|bind HOST PORT

'use strict';

const assert = require('assert');
const dgram = require('dgram');
const net = require('net');
const { SocksClient } = require('socks');

const [proxy, command, host, port] = process.argv.slice(2);
const [proxyHost, proxyPort] = proxy.split(':');

// To the target for datagrams; the peer that is expected for BIND.
const destination = { host: command === 'bind' ? host : '0.0.0.0', port: 0 };
const client = new SocksClient({
  proxy: { host: proxyHost, port: Number(proxyPort), type: 5 },
  command,
  destination,
});
client.on('error', (error) => {
  throw error;
});

function associate({ socket: control, remoteHost: relay }) {
  const socket = dgram.createSocket('udp4');
  let number = 0;
  const send = () => {
    const frame = SocksClient.createUDPFrame({
      remoteHost: { host, port: Number(port) },
      data: Buffer.alloc(5, number),
    });
    socket.send(frame, relay.port, relay.host);
  };
  socket.on('message', (datagram) => {
    const { frameNumber, remoteHost, data } = SocksClient.parseUDPFrame(datagram);
    assert.strictEqual(frameNumber, 0);
    assert.strictEqual(remoteHost.port, Number(port));
    assert.deepStrictEqual(data, Buffer.alloc(5, number));
    number += 1;
    if (number < 3) {
      send();
    } else {
      socket.close();
      control.destroy();
    }
  });
  send();
}

// What the server has to say on its control connection, which does not go through the proxy here.
let replies = '';
let received = false;

function bound({ remoteHost: listening }) {
  const control = net.connect(Number(port), '127.0.0.2');
  const numbers = listening.host.split('.');
  numbers.push(listening.port >> 8, listening.port & 255);
  control.on('data', (data) => (replies += data));
  control.write(`PORT ${numbers.join(',')}\r\n`);
}

function receive({ socket, remoteHost: peer }) {
  assert.strictEqual(peer.host, '127.0.0.2');
  const parts = [];
  socket.on('data', (data) => parts.push(data));
  socket.on('end', () => {
    const file = Buffer.concat(parts);
    assert.strictEqual(file.length, 1000000);
    assert(file.every((octet, index) => octet === index % 250));
    received = true;
  });
  // The package lets the socket flow itself, once it has handed out what came with the reply.
}

client.on('bound', bound);
client.on('established', command === 'bind' ? receive : associate);
process.on('exit', (code) => {
  if (code === 0 && command === 'bind') {
    assert(received);
    assert.strictEqual(replies, '220 ready\r\n226 done\r\n');
  }
});
client.connect();
