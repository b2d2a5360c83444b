// Puts it together: charts, choices, theme, print.
if (byId('chart-month')) addChart('chart-month', monthChart);
fillSelect(byId('chain'), ['everything', ...report.chains.runs.map((c) => `run ${c.run}`)], (index) => {
  chainShown = index;
  drawChart('chart-chain');
});
addChart('chart-chain', chainChart);
if (byId('chart-movers')) addChart('chart-movers', moversChart);
startDrill();
if (byId('runs-table')) {
  sortable(byId('runs-table'));
  linkTimelines(byId('runs-table'));
  searchable(byId('runs-table'), byId('runs-find'), byId('runs-count'));
  byId('runs-controls').hidden = false;
}
if (byId('life')) {
  fillSelect(byId('life'), report.timelines.map((t) => (t.name === t.run ? t.run : `${t.run} (${t.name})`)), showLife);
  addChart('chart-life', lifeChart);
  showLife(0);
}
if (byId('metric')) {
  fillSelect(byId('metric'), report.quality.map((q) => q.metric), (index) => {
    qualityShown = index;
    sayQuality();
    drawChart('chart-quality');
  });
  addChart('chart-quality', qualityChart);
  sayQuality();
}
if (byId('chart-energy')) addChart('chart-energy', energyChart);

const THEMES = ['auto', 'light', 'dark'];
let theme = 0;
const setTheme = (wanted) => {
  if (wanted === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wanted;
  byId('theme').textContent = `Theme: ${wanted}`;
  drawAll();
};
byId('theme').addEventListener('click', () => {
  theme = (theme + 1) % THEMES.length;
  setTheme(THEMES[theme]);
});
byId('theme').hidden = false;
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);

// Paper is light and narrow, and shows what is folded away on a screen.
let folded = [];
addEventListener('beforeprint', () => {
  document.documentElement.dataset.theme = 'light';
  document.documentElement.classList.add('paper');
  folded = [...document.querySelectorAll('details:not([open])')];
  folded.forEach((details) => { details.open = true; });
  drawAll();
});
addEventListener('afterprint', () => {
  document.documentElement.classList.remove('paper');
  folded.forEach((details) => { details.open = false; });
  setTheme(THEMES[theme]);
});

let waiting = 0;
addEventListener('resize', () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(drawAll);
});
document.documentElement.dataset.ready = 'true';
