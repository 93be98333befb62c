// What goes through the proxy, and what does not. Made of the listeners and rules of a proxy server: changes belong there.
// Names and addresses of one's own network go past the proxy, unless a rule allows them or the server's file says so;
// everything else goes through it, what it refuses included.

// Names, names that others lie below, and the first bits of networks of IPv4 and IPv6.
var direct = DIRECT;
var through = THROUGH;
var special = SPECIAL;
var proxies = PROXIES;

function bits(number, count) {
  var text = "";
  while (count > 0) {
    count = count - 1;
    text = text + ((number >> count) & 1);
  }
  return text;
}

// Only what is written as an address: no name is looked up for this.
function bits4(host) {
  var parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host);
  var text = "";
  if (!parts) return null;
  for (var i = 1; i <= 4; i++) {
    if (parts[i] > 255) return null;
    text = text + bits(parts[i], 8);
  }
  return text;
}

function bits6(host) {
  host = host.replace(/^\[/, "").replace(/\]$/, "").replace(/%.*$/, "");
  if (!/^[0-9a-f:]*:[0-9a-f:.]*$/.test(host)) return null;
  var last = bits4(host.substring(host.lastIndexOf(":") + 1));
  if (last) host = host.substring(0, host.lastIndexOf(":") + 1) +
    parseInt(last.substring(0, 16), 2).toString(16) + ":" + parseInt(last.substring(16), 2).toString(16);
  var halves = host.split("::");
  if (halves.length > 2) return null;
  var before = halves[0] === "" ? [] : halves[0].split(":");
  var after = halves.length < 2 || halves[1] === "" ? [] : halves[1].split(":");
  var missing = 8 - before.length - after.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  while (missing > 0) {
    before.push("0");
    missing = missing - 1;
  }
  var text = "";
  var groups = before.concat(after);
  for (var i = 0; i < 8; i++) {
    if (!/^[0-9a-f]{1,4}$/.test(groups[i])) return null;
    text = text + bits(parseInt(groups[i], 16), 16);
  }
  return text;
}

function isIn(list, host, four, six) {
  var i;
  if (four || six) {
    var networks = four ? list.ipv4 : list.ipv6;
    for (i = 0; i < networks.length; i++) {
      if ((four || six).substring(0, networks[i].length) === networks[i]) return true;
    }
    return false;
  }
  for (i = 0; i < list.names.length; i++) {
    if (host === list.names[i]) return true;
  }
  for (i = 0; i < list.below.length; i++) {
    var end = "." + list.below[i];
    if (host.length > end.length && host.substring(host.length - end.length) === end) return true;
  }
  return false;
}

function FindProxyForURL(url, host) {
  host = host.toLowerCase().replace(/\.$/, "");
  var four = bits4(host);
  var six = four ? null : bits6(host);
  // An address of IPv4 in one of IPv6.
  if (six && six.substring(0, 96) === bits(0, 80) + "1111111111111111") {
    four = six.substring(96);
    six = null;
  }
  if (isIn(direct, host, four, six)) return "DIRECT";
  if (isIn(through, host, four, six)) return proxies;
  if (isIn(special, host, four, six)) return "DIRECT";
  if (!four && !six && host.indexOf(".") < 0) return "DIRECT";
  return proxies;
}
