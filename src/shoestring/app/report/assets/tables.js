// Tables that sort by their heads and narrow down by a word.
const cellValue = (row, column) => {
  const cell = row.cells[column];
  const raw = cell.dataset.sort ?? cell.textContent.trim();
  const value = Number(raw);
  return raw !== '' && !Number.isNaN(value) ? value : raw;
};

// Unknown and empty cells stay last, whichever way the others go.
const compare = (a, b, way) => {
  const unknown = (v) => v === '' || v === 'unknown';
  if (unknown(a) || unknown(b)) return unknown(a) - unknown(b);
  if (typeof a === 'number' && typeof b === 'number') return way * (a - b);
  return way * String(a).localeCompare(String(b), 'en', { numeric: true });
};

const sortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = element('button', head.textContent, { type: 'button' });
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const falling = head.getAttribute('aria-sort') === 'ascending' || (!head.hasAttribute('aria-sort') && head.classList.contains('n'));
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(cellValue(a, column), cellValue(b, column), falling ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
};

const searchable = (table, input, count) => {
  const narrow = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${table.tBodies[0].rows.length} runs`;
  };
  input.addEventListener('input', narrow);
  narrow();
};

// A run's name leads to its timeline, where there is one.
const linkTimelines = (table) => {
  const places = new Map(report.timelines.map((life, index) => [life.run, index]));
  for (const cell of table.querySelectorAll('bdi[data-run]')) {
    const index = places.get(cell.dataset.run);
    if (index === undefined) continue;
    const button = element('button', null, { type: 'button', class: 'link' });
    cell.replaceWith(button);
    button.append(cell);
    button.addEventListener('click', () => {
      showLife(index);
      byId('timeline').scrollIntoView();
      byId('life').focus({ preventScroll: true });
    });
  }
};
