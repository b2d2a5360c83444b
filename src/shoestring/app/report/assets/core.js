// What the other parts share. Text from the data reaches the page as textContent only, and charts through plain().
const report = JSON.parse(document.getElementById('report').textContent);
const NONE = '(none)';
const byId = (id) => document.getElementById(id);
const name = (label) => (label === null ? NONE : label);
const short = (text, most = 26) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// Charts understand a little markup (<b>, <a href>): spelled out, a name shows as it was written.
const plain = (text) =>
  String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

const money = (usd, sign = false) => {
  if (usd === null || usd === undefined) return 'unknown';
  const small = Math.abs(usd) > 0 && Math.abs(usd) < 0.1;
  const places = small ? 4 : 2;
  const text = Math.abs(usd).toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places });
  return `${usd < 0 ? '-' : sign ? '+' : ''}${text} $`;
};

const element = (tag, text, attributes = {}) => {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

const fillSelect = (select, labels, onChange) => {
  labels.forEach((label, index) => select.append(element('option', short(label, 70), { value: index })));
  select.addEventListener('change', () => onChange(Number(select.value)));
};

const color = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();

// Every chart is a function that gives {data, layout}; all are drawn again when theme or width change.
const charts = new Map();
const drawChart = (id) => {
  const node = byId(id);
  if (!node || !charts.has(id) || !window.Plotly) return;
  const { data, layout } = charts.get(id)();
  const axis = { gridcolor: color('--line'), zerolinecolor: color('--line'), linecolor: color('--line'), automargin: true };
  const whole = {
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', height: 320,
    margin: { l: 60, r: 20, t: 20, b: 40 }, showlegend: false, dragmode: false,
    font: { color: color('--fg'), family: 'system-ui, "DejaVu Sans", sans-serif', size: 12 },
    legend: { orientation: 'h', y: 1.02, yanchor: 'bottom', x: 0 },
    hoverlabel: { bgcolor: color('--card'), bordercolor: color('--line'), font: { color: color('--fg') }, align: 'left' },
    ...layout, width: Math.max(260, node.clientWidth),
  };
  for (const key of Object.keys(whole)) if (/^[xy]axis/.test(key)) whole[key] = { ...axis, ...whole[key] };
  Plotly.react(node, data, whole, { displayModeBar: false, doubleClick: false, showTips: false });
};
const addChart = (id, make) => {
  charts.set(id, make);
  drawChart(id);
};
const drawAll = () => { for (const id of charts.keys()) drawChart(id); };
