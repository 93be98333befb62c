// Numbers as people read them.

const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

export function bytes(count) {
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) { count /= 1000; unit++; }
  const digits = unit === 0 || count >= 99.95 ? 0 : count >= 9.995 ? 1 : 2;
  return count.toFixed(digits) + " " + units[unit];
}

export function rate(count) {
  return count === null ? "–" : bytes(count) + "/s";
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function number(count) {
  return grouped.format(count).replaceAll(",", "\u202f");
}

export function duration(seconds) {
  const [days, hours] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24];
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return days + " d " + hours + " h";
  if (hours > 0) return hours + " h " + minutes + " min";
  return minutes > 0 ? minutes + " min " + seconds % 60 + " s" : seconds + " s";
}

// The hour and minute of a time in seconds since 1970, with seconds if they are asked for.
export function clock(seconds, withSeconds) {
  const [hours, minutes, rest] = new Date(seconds * 1000).toTimeString().slice(0, 8).split(":");
  return hours + ":" + minutes + (withSeconds ? ":" + rest : "");
}
