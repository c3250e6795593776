-- The style sheet of the page: one column on a phone, several on a wide screen, light on paper.

local LIGHT = "--page:#fff;--text:#1d2126;--soft:#5c6570;--edge:#dde1e6;--panel:#f5f6f8;--link:#005a94;" ..
  "--good:#00694b;--bad:#a63c00"
local DARK = "--page:#15181c;--text:#e6e8eb;--soft:#a2abb6;--edge:#343a42;--panel:#1d2126;--link:#74c0f0;" ..
  "--good:#4fd0a5;--bad:#ff9d66"

return ":root{color-scheme:light dark;" .. LIGHT .. "}\n" ..
  "@media screen and (prefers-color-scheme:dark){:root{" .. DARK .. "}}\n" .. [[
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem clamp(.9rem,3vw,2.5rem) 4rem;max-width:1500px;background:var(--page);
  color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1.75rem;line-height:1.2;margin:.2rem 0 .4rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.6rem 0 .6rem;padding-top:.7rem;border-top:2px solid var(--edge)}
h3{font-size:1rem;margin:1.6rem 0 .5rem}
p{max-width:75ch;margin:.4rem 0}.question{font-size:1.12rem}
.note,figcaption,.file{color:var(--soft);font-size:.85rem}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:1rem 0 0;font-size:.9rem}a{color:var(--link)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.7rem}
.card{background:var(--panel);border-radius:8px;padding:.6rem .8rem}
.card .name,.card .below{font-size:.8rem;color:var(--soft)}
.card .value{font-size:1.5rem;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,260px),1fr));
  gap:.6rem 1.5rem;margin:0}
.facts dt{font-size:.8rem;color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;background: /* a shade where there is more to the right */
  linear-gradient(270deg,var(--page) 40%,transparent) 100% 0/3rem 100% no-repeat local,
  linear-gradient(270deg,var(--edge),transparent) 100% 0/1.2rem 100% no-repeat scroll}
table{border-bottom:1px solid var(--edge);border-collapse:separate;border-spacing:0;
  font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;text-align:right;vertical-align:top;white-space:nowrap}
td{border-top:1px solid var(--edge)}
th{font-weight:600;color:var(--soft)}th.l,td.l{text-align:left}
th:first-child,td:first-child{padding-left:0;position:sticky;left:0;background:var(--page)}
td.l{white-space:normal;min-width:6rem;max-width:24rem;overflow-wrap:break-word}
@media screen and (max-width:600px){td.l:first-child{max-width:10rem}}
@media screen and (min-width:601px){td.l:first-child{white-space:nowrap;max-width:none}}
table.texts td.l{white-space:normal;overflow-wrap:break-word;min-width:0;max-width:60rem}
table.texts th,table.texts td{position:static}td details{margin:0}
table.texts td:last-child.l{min-width:9rem}code,pre{font-size:.82rem}
pre{background:var(--panel);padding:.8rem;border-radius:8px;overflow-x:auto;
  white-space:pre-wrap;overflow-wrap:anywhere}
td code{white-space:pre-wrap;overflow-wrap:anywhere}
.grid-of{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,430px),1fr));gap:.9rem 1.8rem;
  align-items:start}
figure{margin:.6rem 0;min-width:0;break-inside:avoid}figcaption{max-width:75ch;margin-top:.2rem}
figure .title{font-size:.95rem;font-weight:600}figure .plot{display:block;width:100%;max-width:580px}
figure.wide .plot{max-width:1000px;min-width:600px}figure.small .plot{max-width:480px}
.panels{display:grid;gap:.3rem;grid-template-columns:1fr}.panels.n2{grid-template-columns:1fr 1fr}
.panels.n3{grid-template-columns:repeat(3,1fr)}.panels.n4{grid-template-columns:repeat(4,1fr)}
.panel{font-size:.8rem;color:var(--soft);text-align:center;min-width:0;overflow-wrap:anywhere}
.panel img{display:block;width:100%;height:auto;border-radius:4px;background:#000}
.gone{aspect-ratio:1;display:grid;place-items:center;background:var(--panel);border-radius:4px}
.picture{border-left:4px solid var(--edge);padding-left:.7rem;max-width:640px}
.picture.best{border-color:var(--good)}.picture.worst{border-color:var(--bad)}
.picture figcaption{display:flex;flex-wrap:wrap;gap:0 .8rem}.picture strong{color:var(--text)}
.right{color:var(--good)}.wrong{color:var(--bad);font-weight:600}.file{overflow-wrap:anywhere}
li{overflow-wrap:anywhere}details{margin:.6rem 0}summary{cursor:pointer;font-weight:600}
@media print{body{font-size:10.5pt;max-width:none;padding:0}nav{display:none}h2,h3{break-after:avoid}
  .grid-of{grid-template-columns:1fr 1fr}.grid-of.pictures{grid-template-columns:1fr 1fr}
  figure.wide .plot{min-width:0}.scroll{overflow:visible;background:none}table{font-size:8pt}
  th,td{padding:.15rem .35rem;white-space:normal}
  details::details-content{content-visibility:visible;block-size:auto}.card{border:1px solid var(--edge)}}
]]
