// Lines over the last hour, with axes.

import { clock } from "./format.js";

const hour = 3600;

function element(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// A round number that is not below the peak, and the step between two lines of the grid.
function scale(peak, least) {
  const top = Math.max(peak, least);
  const magnitude = 10 ** Math.floor(Math.log10(top / 4));
  const step = [1, 2, 2.5, 5, 10].map(times => times * magnitude).find(step => step * 4 >= top - 1e-9);
  return { step, top: step * Math.max(1, Math.ceil(top / step - 1e-9)) };
}

// Draws lines, each a list of [time, value] or of null where nothing is known.
export function draw(svg, lines, say, least, end) {
  const { width, height } = svg.getBoundingClientRect();
  if (width === 0) return;
  const place = { left: 64, right: width - 12, top: 10, bottom: height - 22 };
  const peak = Math.max(0, ...lines.flatMap(line => line.points.map(point => point === null ? 0 : point[1])));
  const { step, top } = scale(peak, least);
  const x = time => place.right - (end - time) / hour * (place.right - place.left);
  const y = value => place.bottom - value / top * (place.bottom - place.top);
  const parts = [];
  for (let value = 0; value <= top + step / 2; value += step) {
    const at = y(value).toFixed(1);
    parts.push(element("line", { class: "grid", x1: place.left, x2: place.right, y1: at, y2: at }));
    parts.push(element("text", { x: place.left - 6, y: Number(at) + 4, "text-anchor": "end" }, say(value)));
  }
  const every = width < 480 ? 1200 : 600;
  for (let time = Math.ceil((end - hour) / every) * every; time <= end; time += every) {
    const at = x(time).toFixed(1);
    parts.push(element("line", { class: "grid", x1: at, x2: at, y1: place.bottom, y2: place.bottom + 4 }));
    parts.push(element("text", { x: at, y: height - 6, "text-anchor": "middle" }, clock(time)));
  }
  for (const line of lines) {
    let points = [];
    const finish = () => {
      if (points.length > 0) parts.push(element("polyline", { class: line.kind, points: points.join(" ") }));
      points = [];
    };
    for (const point of line.points) {
      if (point === null) finish();
      else if (point[0] >= end - hour) points.push(x(point[0]).toFixed(1) + "," + y(point[1]).toFixed(1));
    }
    finish();
  }
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  svg.replaceChildren(...parts);
}

// What a line says, for those who do not see it.
export function describe(points, say) {
  const known = points.filter(point => point !== null);
  if (known.length === 0) return "nothing yet";
  const most = known.reduce((one, another) => another[1] > one[1] ? another : one);
  return say(known.at(-1)[1]) + " now, at most " + say(most[1]) + " at " + clock(most[0]);
}
