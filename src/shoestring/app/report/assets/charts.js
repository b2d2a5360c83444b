// Month, waterfall, movers, quality, energy.
// Thousands are shortened (k, M); below that the same format would write half a dollar as 500m.
const dollars = (values) => ({ tickprefix: '$', tickformat: Math.max(0, ...values.map(Math.abs)) >= 1000 ? '~s' : ',~f' });
const fromZero = (values) => ({ ...dollars(values), rangemode: 'tozero' });

const monthChart = () => {
  const { days, ahead, limit_usd: limit } = report.month;
  const spent = days.length ? days[days.length - 1] : null;
  const start = spent ? [{ day: spent.day, usd: spent.usd, low_usd: spent.usd, high_usd: spent.usd }] : [];
  const coming = ahead.length ? start.concat(ahead) : [];
  const x = coming.map((d) => d.day);
  const hover = '%{x|%Y-%m-%d}: $%{y:,.2f}';
  const data = [
    { x, y: coming.map((d) => d.low_usd), mode: 'lines', line: { width: 0 }, hoverinfo: 'skip', showlegend: false },
    { x, y: coming.map((d) => d.high_usd), mode: 'lines', line: { width: 0 }, fill: 'tonexty', fillcolor: color('--band'),
      hoverinfo: 'skip', name: 'band' },
    { x, y: coming.map((d) => d.usd), mode: 'lines', line: { color: color('--c1'), dash: 'dash', width: 2 }, name: 'forecast',
      hovertemplate: `${hover}<extra>forecast</extra>` },
    { x: days.map((d) => d.day), y: days.map((d) => d.usd), mode: 'lines+markers', marker: { size: 5 },
      line: { color: color('--c1'), width: 3 }, name: 'spent', hovertemplate: `${hover}<extra>spent</extra>` },
  ];
  if (limit !== null) {
    const all = days.concat(ahead).map((d) => d.day);
    data.push({ x: [all[0], all[all.length - 1]], y: [limit, limit], mode: 'lines', name: 'budget',
      line: { color: color('--bad'), width: 2, dash: 'dot' }, hovertemplate: '$%{y:,.2f}<extra>budget</extra>' });
  }
  return { data, layout: { showlegend: true, yaxis: fromZero([limit ?? 0, ...days.concat(ahead).map((d) => d.high_usd ?? d.usd)]), xaxis: { type: 'date', tickformat: '%b %-d' }, margin: { l: 60, r: 20, t: 40, b: 40 } } };
};

let chainShown = 0;
const chains = [report.chains.total, ...report.chains.runs];
const chainChart = () => {
  const { steps, paid_usd: paid } = chains[chainShown];
  const shown = steps.filter((s, n) => n === 0 || s.usd !== 0);
  const usd = shown.map((s) => s.usd).concat(paid);
  return {
    data: [{
      type: 'waterfall', x: shown.map((s) => s.step).concat('paid'), y: usd,
      measure: shown.map((s, n) => (n === 0 ? 'absolute' : 'relative')).concat('total'),
      text: usd.map((v, n) => money(v, n > 0 && n < usd.length - 1)), textposition: 'outside', cliponaxis: false,
      textfont: { size: 11 }, constraintext: 'none',
      hovertemplate: '%{x}: %{text}<extra></extra>', connector: { line: { color: color('--line') } },
      decreasing: { marker: { color: color('--c3') } }, increasing: { marker: { color: color('--c2') } },
      totals: { marker: { color: color('--c1') } },
    }],
    layout: { yaxis: fromZero(usd), xaxis: { type: 'category' }, height: 340, margin: { l: 60, r: 20, t: 30, b: 40 } },
  };
};

// A bar for each name: y is the index, so that two equal names stay two bars, and names are never parsed.
const bars = (names, values, colors, texts) => ({
  data: [{
    type: 'bar', orientation: 'h', y: names.map((_, n) => n), x: values, marker: { color: colors },
    text: texts, textposition: 'auto', customdata: names.map(plain), hovertemplate: '%{customdata}: %{text}<extra></extra>',
  }],
  layout: {
    height: Math.max(120, 26 * names.length + 50), bargap: 0.3,
    yaxis: { tickvals: names.map((_, n) => n), ticktext: names.map((n) => plain(short(n))), autorange: 'reversed', showgrid: false, zeroline: false },
    xaxis: dollars(values), margin: { l: 60, r: 20, t: 5, b: 35 },
  },
});

const moversChart = () => {
  const lines = report.movers.lines;
  return bars(
    lines.map((m) => `${m.dimension} ${name(m.key)}`), lines.map((m) => m.change_usd),
    lines.map((m) => color(m.change_usd > 0 ? '--c2' : '--c3')), lines.map((m) => money(m.change_usd, true)),
  );
};

let qualityShown = 0;
const qualityChart = () => {
  const told = report.quality[qualityShown];
  const points = (on) => told.points.filter((p) => p.on_frontier === on);
  const trace = (list, title, marker, extra = {}) => ({
    x: list.map((p) => p.usd), y: list.map((p) => p.value), name: title, mode: 'markers', marker,
    customdata: list.map((p) => `${plain(p.run)}<br>experiment ${plain(name(p.experiment))}, team ${plain(name(p.team))}`),
    hovertemplate: `%{customdata}<br>$%{x:,.4~f}, ${plain(told.metric).replace(/%/g, '&#37;')} %{y:.6~g}<extra></extra>`, ...extra,
  });
  return {
    data: [
      trace(points(false), 'beaten', { color: color('--c5'), size: 9 }),
      trace(points(true), 'frontier', { color: color('--c2'), size: 11, symbol: 'diamond' },
        { mode: 'lines+markers', line: { color: color('--c2'), shape: 'hv', width: 2 } }),
    ],
    layout: {
      showlegend: true, margin: { l: 60, r: 20, t: 40, b: 50 },
      xaxis: { title: { text: 'cost of the whole run' }, tickprefix: '$', rangemode: 'tozero' },
      yaxis: { title: { text: plain(told.metric) } },
    },
  };
};
const sayQuality = () => {
  const told = report.quality[qualityShown];
  const left = told.runs_left_out ? ` ${told.runs_left_out} runs have no known price.` : '';
  byId('quality-said').textContent =
    `${told.more_is_better ? 'More' : 'Less'} is better. No run on the frontier is beaten by one that was cheaper and at least as good.${left}`;
};

const energyChart = () => {
  const rows = report.energy.teams.filter((t) => t.kwh !== null);
  const made = bars(rows.map((t) => name(t.team)), rows.map((t) => t.kwh), color('--c3'),
    rows.map((t) => `${t.kwh.toLocaleString('en-US', { maximumFractionDigits: 2 })} kWh`));
  made.layout.xaxis = { title: { text: 'kWh' } };
  made.layout.height += 20;
  return made;
};
