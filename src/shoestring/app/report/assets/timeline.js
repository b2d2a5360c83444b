// A run's life: where it was, what it paid an hour, what it had paid in all; one axis of time.
const MARKS = {
  checkpoint: ['circle-open', '--c3'], restore: ['circle', '--c3'], notice: ['triangle-up', '--c2'],
  preempted: ['x', '--bad'], done: ['star', '--c3'],
};
const MARKETS = { spot: '--c3', on_demand: '--c1', owned: '--c4' };
let lifeShown = 0;

const segments = (stays) => {
  const x = []; const y = []; const text = [];
  for (const s of stays) {
    const told = `attempt ${s.attempt} in ${plain(s.place)}, ${s.market.replace('_', '-')}<br>${money(s.usd)}` +
      `${s.ended_by ? `, ended: ${plain(s.ended_by)}` : ''}${s.reason ? `<br>${plain(short(s.reason, 90))}` : ''}`;
    x.push(s.start, s.end, null); y.push(s.row, s.row, null); text.push(told, told, '');
  }
  return { x, y, text };
};

const staysTraces = (stays) => [...new Set(stays.map((s) => s.market))].map((market) => ({
  ...segments(stays.filter((s) => s.market === market)), mode: 'lines', name: market.replace('_', '-'),
  line: { color: color(MARKETS[market] || '--c5'), width: 16 }, hovertemplate: '%{text}<extra></extra>',
}));

const kindsOf = (events) => [...new Set(events.map((e) => e.kind))].map((kind) => [kind, events.filter((e) => e.kind === kind)]);
const eventTraces = (life, rowAt) => kindsOf(life.events).map(([kind, list]) => ({
  x: list.map((e) => e.at), y: list.map((e) => rowAt(e.at)), mode: 'markers', name: kind.replace('_', ' '),
  text: list.map((e) => `${kind.replace('_', ' ')}: ${plain(short(e.text, 90))}`), hovertemplate: '%{text}<br>%{x|%Y-%m-%d %H:%M:%S}<extra></extra>',
  marker: { symbol: (MARKS[kind] || ['diamond'])[0], color: color((MARKS[kind] || [0, '--fg'])[1]), size: 10, line: { width: 2, color: color((MARKS[kind] || [0, '--fg'])[1]) } },
}));

const lifeChart = () => {
  const life = report.timelines[lifeShown];
  const places = [...new Set(life.stays.map((s) => s.place))];
  const stays = life.stays.map((s) => ({ ...s, row: places.indexOf(s.place) }));
  const rowAt = (at) => {
    const t = Date.parse(at);
    const here = stays.filter((s) => Date.parse(s.start) <= t);
    return here.length ? here[here.length - 1].row : 0;
  };
  const px = []; const py = [];
  for (const s of stays) {
    for (const p of s.prices) { px.push(p.at); py.push(p.usd_per_hour); }
    if (s.prices.length) { px.push(s.end, s.end); py.push(s.prices[s.prices.length - 1].usd_per_hour, null); }
  }
  const height = 300 + 26 * places.length;
  const low = 200 / height;
  return {
    data: [
      ...staysTraces(stays), ...eventTraces(life, rowAt),
      { x: px, y: py, mode: 'lines', line: { shape: 'hv', color: color('--c2'), width: 2 }, name: 'price', yaxis: 'y2', showlegend: false,
        hovertemplate: '$%{y:,.4~f} an hour<extra>price</extra>' },
      { x: life.cost.map((p) => p.at), y: life.cost.map((p) => p.usd), mode: 'lines', fill: 'tozeroy', fillcolor: color('--band'), yaxis: 'y3',
        line: { color: color('--c1'), width: 2 }, showlegend: false, name: 'cost', hovertemplate: '$%{y:,.4~f} paid<extra>cost</extra>' },
    ],
    layout: {
      height, showlegend: true, hovermode: 'closest', margin: { l: 70, r: 20, t: 45, b: 40 },
      xaxis: { type: 'date', anchor: 'y3' },
      yaxis: { domain: [low + 0.08, 1], tickvals: places.map((_, n) => n), ticktext: places.map((p) => plain(short(p))), range: [-0.7, places.length - 0.3], zeroline: false },
      yaxis2: { domain: [low / 2 + 0.03, low], title: { text: '$/hour' }, rangemode: 'tozero', nticks: 4 },
      yaxis3: { domain: [0, low / 2 - 0.03], title: { text: 'paid, $' }, rangemode: 'tozero', nticks: 4 },
    },
  };
};

const sayLife = () => {
  const life = report.timelines[lifeShown];
  const taken = life.events.filter((e) => e.kind === 'preempted').length;
  const paid = life.cost.length ? life.cost[life.cost.length - 1].usd : 0;
  byId('life-said').textContent = `${life.stays.length} attempts, ${taken} preemptions, ${money(paid)} paid in all.`;
  const steps = life.events.map((e) => [e.at, `${e.kind.replace('_', ' ')}: ${e.text}`])
    .concat(life.stays.map((s) => [s.start, `attempt ${s.attempt} in ${s.place}, ${s.market.replace('_', '-')}${s.reason ? `: ${s.reason}` : ''}`]));
  steps.sort((a, b) => Date.parse(a[0]) - Date.parse(b[0]));
  byId('life-events').replaceChildren(...steps.map(([at, text]) => element('li', `${at.slice(0, 19).replace('T', ' ')} ${text}`)));
};

const showLife = (index) => {
  lifeShown = index;
  byId('life').value = index;
  sayLife();
  drawChart('chart-life');
};
