/** Okabe and Ito's colours, which the colour-blind tell apart too; darker ground, lighter tones. */
const colours = `:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#59636e;--line:#d9dee3;--t0:#0072b2;--t1:#c75000;--t2:#00815d;--t3:#b0568c;--t4:#8a6d00;--t5:#3b8fbf;--t6:#555;--idle:#6fb1dd;--busy:#d9dee3;--unknown:#8b95a0;--lent:#00815d}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e9ec;--soft:#9aa4ae;--line:#30363c;--t0:#56b4e9;--t1:#ff8a3d;--t2:#1fc596;--t3:#e08dbd;--t4:#e0c341;--t5:#9ad0f0;--t6:#bbb;--idle:#4b8fc0;--busy:#343b42;--unknown:#6e7781;--lent:#1fc596}}`;

const strokes = `.grid path,.diagonal{stroke:var(--line);fill:none}.grid .zero{stroke:var(--soft)}.diagonal{stroke:var(--soft);stroke-dasharray:2 4}
.ticks text{fill:var(--soft);font-size:12px}.curve{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.dashed{stroke-dasharray:6 4}circle{fill:currentColor}`;

const tones = `.tone0{color:var(--t0)}.tone1{color:var(--t1)}.tone2{color:var(--t2)}.tone3{color:var(--t3)}.tone4{color:var(--t4)}.tone5{color:var(--t5)}.tone6{color:var(--t6)}
.idle{color:var(--idle)}.busy{color:var(--busy)}.unknown{color:var(--unknown)}.lent{color:var(--lent)}
.state{fill:none;stroke:currentColor;stroke-width:.9}`;

/** What a chart needs. */
export const chartStyle = `${colours}
${strokes}
${tones}`;

/** What the page needs, with all its charts. */
export const style = `
${colours}
body{margin:2rem auto;max-width:60rem;padding:0 1rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:0}p{margin:.2rem 0 .6rem;color:var(--soft)}
section,figure{margin:2rem 0}svg{width:100%;height:auto;display:block}code{overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9em}
th,td{padding:.2rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child{text-align:left;overflow-wrap:anywhere}thead th{color:var(--soft);font-weight:600}tbody th{font-weight:400}
${strokes}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;margin:.3rem 0;font-size:.9em}
.legend i{display:inline-block;width:1.6em;border-top:3px solid currentColor;vertical-align:middle;margin-right:.4em}.legend .dashed{border-top-style:dashed}
${tones}.legend .idle,.legend .busy,.legend .unknown,.legend .lent{border-top-width:.8em}
summary{cursor:pointer;color:var(--soft);font-size:.9em}details .wide{max-height:24rem;overflow:auto}
@media print{body{margin:0;max-width:none;print-color-adjust:exact;-webkit-print-color-adjust:exact}figure,section{break-inside:avoid}details{display:none}}
`;
