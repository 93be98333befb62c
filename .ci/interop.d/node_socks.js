// The package `socks` for BIND and ASSOCIATE: node_socks.js PROXY-PORT UDP-PORT TCP-PORT

const assert = require('node:assert');
const dgram = require('node:dgram');
const net = require('node:net');
const { once } = require('node:events');
const { SocksClient } = require('socks');

const [proxyPort, udpPort, tcpPort] = process.argv.slice(2).map(Number);
const proxy = { host: '127.0.0.1', port: proxyPort, type: 5 };

async function associate() {
  const client = new SocksClient({
    proxy,
    command: 'associate',
    destination: { host: '0.0.0.0', port: 0 },
  });
  client.connect();
  const [{ socket, remoteHost }] = await once(client, 'established');
  const udp = dgram.createSocket('udp4');
  const question = SocksClient.createUDPFrame({
    frameNumber: 0,
    remoteHost: { host: '127.0.0.1', port: udpPort },
    data: Buffer.from('question'),
  });
  udp.send(question, remoteHost.port, remoteHost.host);
  const [message] = await once(udp, 'message');
  const answer = SocksClient.parseUDPFrame(message);
  assert.strictEqual(answer.data.toString(), 'QUESTION');
  assert.deepStrictEqual(answer.remoteHost, { host: '127.0.0.1', port: udpPort });
  udp.close();
  socket.destroy();
}

async function bind() {
  const client = new SocksClient({
    proxy,
    command: 'bind',
    destination: { host: '127.0.0.1', port: 0 },
  });
  client.connect();
  const [{ remoteHost }] = await once(client, 'bound');
  const control = net.connect(tcpPort, '127.0.0.1');
  control.write(`PORT ${remoteHost.host}:${remoteHost.port}\n`);
  const [{ socket }] = await once(client, 'established');
  socket.resume();
  const [data] = await once(socket, 'data');
  assert.strictEqual(data.toString(), 'the file');
  control.destroy();
  socket.destroy();
}

const limit = setTimeout(() => {
  console.error('no answer');
  process.exit(1);
}, 20000);
associate()
  .then(bind)
  .then(() => clearTimeout(limit))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
