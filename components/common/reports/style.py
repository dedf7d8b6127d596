"""The looks of reports and charts: colours for light and dark, and one short script that sorts tables."""

THEME = """
:root{color-scheme:light dark;--paper:#f7f7f5;--panel:#fff;--ink:#1f252b;--soft:#5f6b76;--line:#e3e6e8;--hover:#f2f5f8;
--accent:#3a76b8;--on-accent:#fff;--other:#d97a1f;--good:#1c7f47;--good-bg:#e8f5ed;--bad:#c23934;--bad-bg:#fcebea;
--warn:#93620a;--warn-bg:#fdf3dc;--none:#5f6b76;--none-bg:#eceff1}
@media (prefers-color-scheme:dark){:root{--paper:#14181c;--panel:#1c2126;--ink:#e4e8eb;--soft:#9ba6b0;--line:#303840;
--hover:#232a31;--accent:#6ba4e3;--on-accent:#0e1419;--other:#f0a050;--good:#63c78d;--good-bg:#173425;--bad:#f08580;
--bad-bg:#41211f;--warn:#e3b455;--warn-bg:#3a2e14;--none:#9ba6b0;--none-bg:#2a3138}}
"""

GROUPS = [
    "#3d7fd0",
    "#f08a24",
    "#2e9e57",
    "#dc4a4a",
    "#9062c4",
    "#8f6a4b",
    "#e170bd",
    "#18b3c4",
    "#b3b21c",
    "#808890",
    "#1c5d86",
    "#f5a99a",
    "#86c97f",
    "#9c1f52",
    "#5a48e0",
]
"""Fifteen colours that differ on white and on near-black."""
RAMP = ["#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#9fda3a", "#e8d626"]
"""From low to high, in equal steps of lightness (viridis without its ends, which vanish on a page of their colour)."""

CHART = (
    """
.chart{display:block;max-width:100%;height:auto;font:11px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.chart text{fill:var(--soft)}.chart .strong{fill:var(--ink)}.chart .caption{font-weight:600}
.chart .on{fill:var(--on-accent)}.chart .faint{opacity:.45}
.chart .grid{stroke:var(--line);stroke-width:1;fill:none}.chart .axis{stroke:var(--soft);stroke-width:1;fill:none}
.chart .bar{fill:var(--accent);opacity:.75}.chart .bar:hover{opacity:1}.chart .cell{fill:var(--accent)}
.chart .outline{fill:none;stroke:var(--other);stroke-width:1.6;stroke-linejoin:round}
.chart .mark{fill:var(--other)}.chart .guide{stroke:var(--soft);stroke-dasharray:4 3;fill:none}
.chart .line{fill:none;stroke-width:1.7;stroke-linejoin:round}
.chart .dots{fill:none;stroke-width:4.5;stroke-linecap:round;stroke-opacity:.5}
.chart .only{stroke:var(--accent)}
.chart .rest{stroke:var(--none);fill:none}.chart rect.rest{fill:var(--none);stroke:none}
"""
    + "".join(f".chart .g{i}{{stroke:{c}}}.chart rect.g{i}{{fill:{c};stroke:none}}\n" for i, c in enumerate(GROUPS))
    + "".join(f".chart .r{i}{{stroke:{c}}}.chart rect.r{i}{{fill:{c};stroke:none}}\n" for i, c in enumerate(RAMP))
)

PAGE = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.5;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;-webkit-font-smoothing:antialiased}
main{max-width:1180px;margin:0 auto;padding:36px 24px 64px}
header{margin-bottom:24px}h1{font-size:27px;line-height:1.2;letter-spacing:-.015em;margin:0 0 4px;font-weight:650}
h2{font-size:18px;letter-spacing:-.005em;margin:0 0 2px;font-weight:620}.sub,.note{color:var(--soft);margin:0}
section{margin-top:36px}section>h2+*{margin-top:12px}section>.note+*{margin-top:14px}
p{margin:10px 0;max-width:78ch;overflow-wrap:anywhere}
.panel{background:var(--panel);border:1px solid var(--line);border-radius:10px}
.verdict{display:flex;gap:14px;align-items:center;padding:16px 20px;border-radius:10px;font-size:17px;font-weight:600;
margin:0 0 18px;max-width:none;overflow-wrap:anywhere}
.verdict i{flex:none;width:28px;height:28px;border-radius:50%;display:grid;place-items:center;font-style:normal;
font-size:16px;background:currentColor}.verdict i b{color:var(--panel)}
.passed{color:var(--good)}.verdict.passed{background:var(--good-bg)}
.failed{color:var(--bad)}.verdict.failed{background:var(--bad-bg)}
.warning{color:var(--warn)}.verdict.warning{background:var(--warn-bg)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:12px;margin:12px 0}
.card{padding:13px 16px;min-width:0}.card dt{color:var(--soft);font-size:13px;overflow-wrap:anywhere}
.card dd{margin:1px 0 0;font-size:23px;font-weight:620;letter-spacing:-.01em;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere}dl{margin:0}
.scroll{overflow-x:auto;margin:12px 0}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:8px 12px;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:break-word;max-width:440px}
th{padding:0;color:var(--soft);font-weight:600;white-space:nowrap}tr:last-child td{border-bottom:0}
tbody tr:hover{background:var(--hover)}th.num,td.num{text-align:right}td.num{white-space:nowrap}
th button{all:unset;cursor:pointer;padding:9px 12px;display:block}
th button:focus-visible{outline:2px solid var(--accent);
outline-offset:-2px;border-radius:8px}th button::after{content:"\\2195";opacity:.3;margin-left:5px;font-size:11px}
th[aria-sort=ascending] button::after{content:"\\2191";opacity:1}
th[aria-sort=descending] button::after{content:"\\2193";opacity:1}
tr.failed td,tr.warning td,tr.passed td,tr.skipped td{color:var(--ink)}tr.skipped td{color:var(--soft)}
tr.failed{box-shadow:inset 3px 0 var(--bad)}tr.warning{box-shadow:inset 3px 0 var(--warn)}
.badge{display:inline-block;padding:1px 9px;border-radius:20px;font-size:12px;font-weight:600;white-space:nowrap;
color:var(--none);background:var(--none-bg)}.badge.passed{color:var(--good);background:var(--good-bg)}
.badge.failed{color:var(--bad);background:var(--bad-bg)}.badge.warning{color:var(--warn);background:var(--warn-bg)}
figure{margin:0;padding:14px 16px 10px;min-width:0}figcaption{font-weight:600;font-size:13.5px;overflow-wrap:anywhere;
margin-bottom:6px}figcaption small{color:var(--soft);font-weight:400;font-size:12.5px;margin-left:6px}
section>figure,main>figure{margin:12px 0;width:fit-content;max-width:100%;overflow-x:auto}
.gallery{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(min(100%,var(--least)),1fr));margin:12px 0;
grid-auto-flow:dense}.gallery .chart{width:100%}
.gallery .tall{grid-row:span 2}.gallery .wide{grid-column:1/-1;overflow-x:auto}.gallery .wide .chart{width:auto}
@media (max-width:600px){main{padding:20px 14px 40px}h1{font-size:23px}.gallery{gap:10px}}
@media print{:root{--paper:#fff;--panel:#fff}main{max-width:none;padding:0}.panel,tr,.verdict{break-inside:avoid}
h2{break-after:avoid}th button::after{content:none}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""

SCRIPT = """
document.querySelectorAll("th button").forEach(button=>button.onclick=()=>{
const th=button.parentNode,row=th.parentNode,body=th.closest("table").tBodies[0],at=th.cellIndex;
const up=th.getAttribute("aria-sort")!=="ascending";
for(const other of row.cells)other.removeAttribute("aria-sort");
th.setAttribute("aria-sort",up?"ascending":"descending");
const key=tr=>{const c=tr.cells[at];return "v" in c.dataset?+c.dataset.v:c.textContent};
[...body.rows].map(tr=>[key(tr),tr]).sort(([a],[b])=>{
if(typeof a==="number"&&typeof b==="number"){const x=isNaN(a),y=isNaN(b);return x||y?x-y:(up?a-b:b-a)}
return (up?1:-1)*String(a).localeCompare(String(b),undefined,{numeric:true})}).forEach(([,tr])=>body.append(tr))});
"""
