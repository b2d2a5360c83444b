// Cost by label: choose what to group by, press a name to look inside it.
const { dimensions, cells } = report.costs;
const drill = { by: dimensions[0], path: [] };
const BARS = 15;

const inside = () => cells.filter((cell) => drill.path.every((step) => cell[step.dimension] === step.key));
const groups = () => {
  const sums = new Map();
  for (const cell of inside()) sums.set(cell[drill.by], (sums.get(cell[drill.by]) || 0) + cell.usd);
  return [...sums].map(([key, usd]) => ({ key, usd })).sort((a, b) => b.usd - a.usd);
};

const into = (key) => {
  drill.path.push({ dimension: drill.by, key });
  const free = dimensions.filter((d) => !drill.path.some((step) => step.dimension === d));
  drill.by = free.find((d) => dimensions.indexOf(d) > dimensions.indexOf(drill.by)) || free[0] || drill.by;
  showDrill(true);
};
const backTo = (depth) => {
  if (depth < drill.path.length) drill.by = drill.path[depth].dimension;
  drill.path = drill.path.slice(0, depth);
  showDrill(true);
};

const drillChart = () => {
  const list = groups();
  const shown = list.slice(0, BARS);
  const rest = list.slice(BARS);
  if (rest.length) shown.push({ key: `${rest.length} more`, usd: rest.reduce((sum, g) => sum + g.usd, 0) });
  return bars(shown.map((g) => name(g.key)), shown.map((g) => g.usd),
    shown.map((g, n) => color(n < BARS ? '--c1' : '--c5')), shown.map((g) => money(g.usd)));
};

const drillRow = (group, total, last) => {
  const row = element('tr');
  const head = element('th', null, { scope: 'row' });
  if (last) head.append(element('bdi', name(group.key)));
  else {
    const button = element('button', null, { type: 'button', class: 'link' });
    button.append(element('bdi', name(group.key)));
    button.addEventListener('click', () => into(group.key));
    head.append(button);
  }
  const share = total ? `${Math.round((100 * group.usd) / total)} %` : '';
  row.append(head, element('td', money(group.usd), { class: 'n' }), element('td', share, { class: 'n' }));
  return row;
};

const showDrill = (moveFocus = false) => {
  const list = groups();
  const total = list.reduce((sum, g) => sum + g.usd, 0);
  const last = drill.path.length >= dimensions.length - 1;
  byId('drill-head').textContent = drill.by;
  byId('drill-table').tBodies[0].replaceChildren(...list.map((g) => drillRow(g, total, last)));
  const steps = [['Everything', 0], ...drill.path.map((s, n) => [`${s.dimension} ${name(s.key)}`, n + 1])];
  byId('drill-path').replaceChildren(...steps.map(([text, depth]) => {
    const item = element('li');
    const here = depth === drill.path.length;
    const crumb = element(here ? 'span' : 'button', null, here ? { 'aria-current': 'true' } : { type: 'button', class: 'link' });
    crumb.append(element('bdi', text));
    if (!here) crumb.addEventListener('click', () => backTo(depth));
    item.append(crumb);
    return item;
  }));
  for (const radio of document.querySelectorAll('input[name="drill-by"]')) {
    radio.checked = radio.value === drill.by;
    radio.disabled = drill.path.some((step) => step.dimension === radio.value);
  }
  byId('drill-said').textContent = `${list.length} lines by ${drill.by}, ${money(total)} in all`;
  drawChart('chart-costs');
  if (moveFocus) (byId('drill-table').querySelector('button') || byId('drill-path').querySelector('button') || document.body).focus();
};

const startDrill = () => {
  for (const dimension of dimensions) {
    const label = element('label');
    const radio = element('input', null, { type: 'radio', name: 'drill-by', value: dimension });
    radio.addEventListener('change', () => { drill.by = dimension; showDrill(); });
    label.append(radio, ` ${dimension}`);
    byId('drill-by').append(label);
  }
  byId('drill').hidden = false;
  addChart('chart-costs', drillChart);
  byId('chart-costs').on?.('plotly_click', (event) => {
    const group = groups()[event.points[0].pointIndex];
    if (group && event.points[0].pointIndex < BARS && drill.path.length < dimensions.length - 1) into(group.key);
  });
  showDrill();
};
