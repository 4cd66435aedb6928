/* style.h: the style sheet of the report, light and dark; inline, so that the page is one file. */
#pragma once

#define FM_REPORT_STYLE                                                                                            \
    ":root{color-scheme:light dark;--ink:#1c1e21;--soft:#5d646d;--paper:#fdfdfc;--card:#f3f4f2;--rule:#d9dcd8;"      \
    "--k0:#1f5fa8;--k1:#b3471d;--k2:#2b7a3f;--k3:#7a3f98;--k4:#8a6a00;--k5:#00788a;--k6:#a02c5d;--k7:#565b62;"       \
    "--cold:#2166ac;--warm:#b2182b}"                                                                                 \
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e7e4;--soft:#a3a9b0;--paper:#16181b;--card:#1f2226;"           \
    "--rule:#363b41;--k0:#74b0f4;--k1:#f19066;--k2:#7acb8b;--k3:#c99ae6;--k4:#dcba4f;--k5:#58c8da;--k6:#ef8fb5;"     \
    "--k7:#b4bac1;--cold:#67a9e6;--warm:#ef7f75}}"                                                                   \
    "*{box-sizing:border-box}body{margin:0 auto;max-width:1180px;padding:24px 20px 60px;background:var(--paper);"    \
    "color:var(--ink);font:16px/1.5 system-ui,sans-serif}h1{font-size:1.7rem;margin:0}h2{margin:2.2rem 0 .6rem;"     \
    "font-size:1.2rem}p{margin:.3rem 0}.soft,figcaption{color:var(--soft)}"                                          \
    ".facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(165px,1fr));gap:10px;margin:18px 0}"          \
    ".facts div{background:var(--card);border-radius:8px;padding:10px 14px}.facts b{display:block;font-size:1.25rem;" \
    "font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}.facts span{color:var(--soft);"       \
    "font-size:.85rem}.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(480px,100%),1fr));"     \
    "gap:18px}figure{margin:0;background:var(--card);border-radius:8px;padding:12px 14px}figcaption{font-weight:600;" \
    "margin-bottom:4px}svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font:12px system-ui,"     \
    "sans-serif}.x{text-anchor:middle}.y{text-anchor:end}.grid{stroke:var(--rule);stroke-width:1}"                   \
    ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}.line.faint{opacity:.5;stroke-width:1}"                  \
    ".s0{stroke:var(--k0)}.s1{stroke:var(--k1)}.s2{stroke:var(--k2)}.s3{stroke:var(--k3)}.s4{stroke:var(--k4)}"      \
    ".s5{stroke:var(--k5)}.s6{stroke:var(--k6)}.s7{stroke:var(--k7)}"                                                \
    ".c0{fill:var(--k0)}.c1{fill:var(--k1)}.c2{fill:var(--k2)}.c3{fill:var(--k3)}.c4{fill:var(--k4)}"                \
    ".c5{fill:var(--k5)}.c6{fill:var(--k6)}.c7{fill:var(--k7)}"                                                      \
    ".b0{background:var(--k0)}.b1{background:var(--k1)}.b2{background:var(--k2)}.b3{background:var(--k3)}"           \
    ".b4{background:var(--k4)}.b5{background:var(--k5)}.b6{background:var(--k6)}.b7{background:var(--k7)}"           \
    ".legend{font-size:.85rem;color:var(--soft);display:flex;flex-wrap:wrap;gap:2px 14px;margin-top:4px}"            \
    ".legend i{display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:5px;vertical-align:-1px}"  \
    ".legend i.faint{opacity:.5}"                                                                                    \
    FM_REPORT_HEAT(0, "var(--cold)", "100%") FM_REPORT_HEAT(1, "var(--cold)", "70%")                                 \
    FM_REPORT_HEAT(2, "var(--cold)", "45%") FM_REPORT_HEAT(3, "var(--cold)", "22%")                                  \
    FM_REPORT_HEAT(4, "var(--rule)", "100%") FM_REPORT_HEAT(5, "var(--warm)", "22%")                                 \
    FM_REPORT_HEAT(6, "var(--warm)", "45%") FM_REPORT_HEAT(7, "var(--warm)", "70%")                                  \
    FM_REPORT_HEAT(8, "var(--warm)", "100%")                                                                         \
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;width:100%}" \
    ".wide{overflow-x:auto}"                                                                                         \
    "th,td{text-align:right;padding:3px 10px;border-bottom:1px solid var(--rule)}th:first-child,td:first-child"      \
    "{text-align:left}th{color:var(--soft);font-weight:600}pre{white-space:pre-wrap;overflow-wrap:anywhere;"        \
    "background:var(--card);border-radius:8px;padding:10px 14px;margin:.4rem 0;font:13px/1.5 ui-monospace,monospace}" \
    "pre b{color:var(--k0);font-weight:600}summary{cursor:pointer;padding:4px 0}code{font:.85rem ui-monospace,"     \
    "monospace;overflow-wrap:anywhere}.facts code{white-space:nowrap}"

/* A cell of the map of loads: a colour mixed into the card. */
#define FM_REPORT_HEAT(i, colour, part)                                                                            \
    ".h" #i "{fill:color-mix(in srgb," colour " " part ",var(--card));background:color-mix(in srgb," colour " " part \
    ",var(--card))}"
