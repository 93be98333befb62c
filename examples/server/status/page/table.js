// Tables whose rows stay where they are while their numbers change: what has the focus keeps it, and text that is
// selected stays selected.

// Roles are said, since rows become cards where there is little room.
function prepare(table) {
  table.setAttribute("role", "table");
  for (const part of table.querySelectorAll("thead, tbody")) part.setAttribute("role", "rowgroup");
  for (const row of table.tHead.rows) {
    row.setAttribute("role", "row");
    for (const cell of row.cells) cell.setAttribute("role", "columnheader");
  }
}

function makeRow(columns) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  for (const column of columns) {
    const cell = row.insertCell();
    cell.setAttribute("role", "cell");
    if (column.number) cell.className = "number";
    if (column.label) cell.dataset.label = column.label;
  }
  return row;
}

// Everything that a client has said is text, never markup.
function say(cell, text) {
  if (cell.firstChild === null) cell.append(document.createElement("span"));
  if (cell.firstChild.textContent !== text) cell.firstChild.textContent = text;
}

// Columns have a label and either `text`, or `show`, which gets the cell and the item.
export function fill(table, items, key, columns, nothing) {
  if (!table.hasAttribute("role")) prepare(table);
  const body = table.tBodies[0];
  const had = document.activeElement;
  const known = new Map([...body.rows].filter(row => row.dataset.key).map(row => [row.dataset.key, row]));
  const rows = items.map(item => {
    const name = String(key(item));
    let row = known.get(name);
    if (row === undefined) {
      row = makeRow(columns);
      row.dataset.key = name;
    }
    known.delete(name);
    columns.forEach((column, at) => {
      if (column.show) column.show(row.cells[at], item);
      else say(row.cells[at], String(column.text(item)));
    });
    return row;
  });
  if (rows.length === 0) {
    const row = makeRow([{}]);
    row.cells[0].colSpan = columns.length;
    row.cells[0].className = "empty";
    say(row.cells[0], nothing);
    rows.push(row);
  }
  for (const row of [...body.rows]) if (!rows.includes(row)) row.remove();
  rows.forEach((row, at) => {
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
  });
  if (had !== document.activeElement && had?.isConnected) had.focus({ preventScroll: true });
}

// A second line of a cell, smaller.
export function sayMore(cell, text, more) {
  say(cell, text);
  let small = cell.querySelector("small");
  if (!more) return small?.remove();
  if (small === null) {
    small = document.createElement("small");
    cell.append(small);
  }
  if (small.textContent !== more) small.textContent = more;
}
