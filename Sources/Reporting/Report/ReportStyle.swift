/// The style sheet of the page: one column on a phone and three on a desktop, light or dark as the reader's system is.
/// Colours of series have a contrast of 3:1 to their background and can be distinguished by colour-blind readers (after
/// Okabe and Ito). Each also has its own dash pattern.
enum ReportStyle {
  /// The sheet must not contain < or &.
  static let sheet: Markup = """
    :root { color-scheme: light dark; --page: #fff; --card: #f5f6f8; --ink: #1d232a; --soft: #58626d; --rule: #d5dae0;
      --grid: #e6e9ed; --good: #00694b; --warning: #875400; --problem: #b3261e;
      --c0: #0067a6; --c1: #c24a12; --c2: #00805c; --c3: #a04a93; --c4: #8f7200; --c5: #008fb3; --c6: #6b7580;
      --c7: #d4327c; --c8: #6b3d1e; --c9: #111; --idle: #b9c1ca; }
    @media screen and (prefers-color-scheme: dark) {
      :root { --page: #14181d; --card: #1d232a; --ink: #e8ebee; --soft: #a3adb8; --rule: #3a434d; --grid: #2a3139;
        --good: #4cc9a0; --warning: #e6b04c; --problem: #ff8a80;
        --c0: #5cb8f2; --c1: #f58a4e; --c2: #3fc79a; --c3: #dc93cf; --c4: #dcb23c; --c5: #57dbe0; --c6: #98a2ac;
        --c7: #f75f9f; --c8: #b98a66; --c9: #fff; --idle: #56616d; }
    }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; }
    body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 74rem; background: var(--page); color: var(--ink);
      font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
      font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
    h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; font-weight: 650; }
    h2 { font-size: 1.15rem; margin: 2.5rem 0 0.75rem; padding-bottom: 0.3rem; border-bottom: 1px solid var(--rule);
      font-weight: 650; }
    h3 { font-size: 0.95rem; margin: 0; font-weight: 600; }
    p { margin: 0 0 0.5rem; }
    .soft, .note { color: var(--soft); }
    .note, .keys { font-size: 0.8125rem; margin: 0.15rem 0 0; line-height: 1.4; }
    .section-note { margin-bottom: 1rem; }
    .verdict { font-size: 1.15rem; line-height: 1.45; margin: 1rem 0 0.5rem; max-width: 56rem; }
    .next { max-width: 56rem; }
    .tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.75rem;
      margin: 1.25rem 0 0; padding: 0; list-style: none; }
    .tiles li { background: var(--card); border-radius: 0.4rem; padding: 0.6rem 0.75rem; line-height: 1.35; }
    .tiles b { display: block; font-size: 1.3rem; font-weight: 600; }
    .tiles span { font-size: 0.8125rem; color: var(--soft); display: block; }
    .findings { list-style: none; margin: 1.25rem 0 0; padding: 0; max-width: 56rem; }
    .findings li { border-left: 4px solid var(--rule); padding: 0.1rem 0 0.1rem 0.8rem; margin: 0 0 0.75rem; }
    .findings .ok { border-color: var(--good); } .findings .warning { border-color: var(--warning); }
    .findings .problem { border-color: var(--problem); }
    .level { font-weight: 650; } .ok .level { color: var(--good); } .warning .level { color: var(--warning); }
    .problem .level { color: var(--problem); }
    .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20.5rem), 1fr));
      gap: 0 1.5rem; margin-bottom: -1rem;
      align-items: start; }
    figure { margin: 0; min-width: 0; break-inside: avoid; }
    .chart { display: grid; grid-template-rows: subgrid; grid-row: span 2; margin-bottom: 1.75rem; }
    .chart svg { display: block; width: 100%; max-width: 30rem; height: auto; }
    .chart > div > svg { margin-top: 0.35rem; overflow: visible; }
    .key { white-space: nowrap; margin-right: 0.75rem; }
    .key svg.swatch { display: inline; width: 22px; height: 10px; vertical-align: middle; margin: 0; }
    svg text { font-size: 11px; fill: var(--soft); font-family: inherit; font-variant-numeric: tabular-nums; }
    .end { text-anchor: end; } .middle { text-anchor: middle; }
    .grid { stroke: var(--grid); fill: none; } .axis { stroke: var(--soft); fill: none; stroke-width: 0.8; }
    .line { fill: none; stroke-width: 1.9; stroke-linejoin: round; stroke-linecap: round; }
    .line.s0 { stroke: var(--c0); } .line.s1 { stroke: var(--c1); stroke-dasharray: 5 3.5; }
    .line.s2 { stroke: var(--c2); stroke-dasharray: 1 3.2; } .line.s3 { stroke: var(--c3); stroke-dasharray: 9 3 1 3; }
    .line.s4 { stroke: var(--c4); stroke-dasharray: 12 4; } .line.s5 { stroke: var(--c5); stroke-dasharray: 3 2.5; }
    .line.s6 { stroke: var(--c6); stroke-dasharray: 9 3 1 3 1 3; } .line.s7 { stroke: var(--c7);
      stroke-dasharray: 1 5; }
    .dot { stroke: none; } .dot.s0 { fill: var(--c0); } .dot.s1 { fill: var(--c1); } .dot.s2 { fill: var(--c2); }
    .dot.s3 { fill: var(--c3); } .dot.s4 { fill: var(--c4); } .dot.s5 { fill: var(--c5); } .dot.s6 { fill: var(--c6); }
    .dot.s7 { fill: var(--c7); }
    .best { fill: none; stroke: var(--ink); stroke-width: 1.5; }
    .mark { fill: none; stroke-width: 1.3; } .mark.rollback { stroke: var(--problem); stroke-dasharray: 2 2; }
    .mark.resume { stroke: var(--soft); stroke-dasharray: 6 2; }
    .on { fill: var(--c0); } .off { fill: var(--page); stroke: var(--c1); stroke-width: 1; }
      .wait { fill: var(--idle); }
    .cloud { fill: none; stroke-width: 3; stroke-linecap: round; } .cloud.sparse { stroke-width: 4.5; }
    .cloud.g0 { stroke: var(--c0); } .cloud.g1 { stroke: var(--c1); } .cloud.g2 { stroke: var(--c2); }
    .cloud.g3 { stroke: var(--c3); } .cloud.g4 { stroke: var(--c4); } .cloud.g5 { stroke: var(--c5); }
    .cloud.g6 { stroke: var(--c6); } .cloud.g7 { stroke: var(--c7); } .cloud.g8 { stroke: var(--c8); }
    .cloud.g9 { stroke: var(--c9); }
    rect.g0 { fill: var(--c0); } rect.g1 { fill: var(--c1); } rect.g2 { fill: var(--c2); } rect.g3 { fill: var(--c3); }
    rect.g4 { fill: var(--c4); } rect.g5 { fill: var(--c5); } rect.g6 { fill: var(--c6); } rect.g7 { fill: var(--c7); }
    rect.g8 { fill: var(--c8); } rect.g9 { fill: var(--c9); }
    .pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(45%, 14rem), 1fr));
      gap: 1.25rem 1.5rem; }
    .pictures + .pictures { margin-top: 1.25rem; }
    .pictures.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20.5rem), 1fr)); }
    .pictures.whole { grid-template-columns: minmax(0, 52rem); }
    .pictures img { display: block; width: 100%; height: auto; image-rendering: pixelated; }
    .pictures figcaption { font-size: 0.8125rem; color: var(--soft); margin-bottom: 0.3rem; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-size: 0.875rem; width: 100%; }
    th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.75rem 0.3rem 0;
      border-bottom: 1px solid var(--grid);
      font-weight: 400; overflow-wrap: anywhere; }
    thead th { color: var(--soft); border-color: var(--rule); } th.number, td.number { text-align: right;
      white-space: nowrap; }
    .scroll td, .scroll th { overflow-wrap: normal; } td.name, th.name { min-width: 5rem; }
    details { margin-top: 1.25rem; } summary { cursor: pointer; color: var(--soft); font-size: 0.9rem;
      margin-bottom: 0.5rem; }
    .settings { columns: 20rem; column-gap: 2rem; margin: 0; }
    .settings > div { break-inside: avoid; margin-bottom: 1rem; }
    dl { margin: 0; font-size: 0.875rem; }
    dl > div { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 0.75rem; padding: 0.15rem 0;
      border-bottom: 1px solid var(--grid); }
    dt { color: var(--soft); } dd { margin: 0; } dd b { font-weight: 650; }
    .environment { columns: 24rem; column-gap: 2rem; }
    .environment > div { grid-template-columns: minmax(0, 2fr) minmax(0, 5fr); break-inside: avoid; }
    pre { white-space: pre-wrap; font: 0.8125rem/1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      background: var(--card); padding: 0.6rem 0.75rem; border-radius: 0.4rem; margin: 0 0 1rem; }
    footer { margin-top: 2.5rem; font-size: 0.8125rem; color: var(--soft); }
    .legend { margin-bottom: 1rem; }
    @media print {
      @page { margin: 14mm; }
      body { max-width: none; padding: 0; font-size: 10pt; }
      h2 { break-after: avoid; margin-top: 1.5rem; }
      .charts { grid-template-columns: 1fr 1fr; } .pictures { grid-template-columns: repeat(4, 1fr); }
      .pictures.wide { grid-template-columns: 1fr 1fr; }
      .tiles { grid-template-columns: repeat(4, 1fr); } .settings { columns: 2; } .environment { columns: 1; }
      details:not([open]) { display: none; } .tiles li, pre { border: 1px solid var(--rule); }
      tr, .findings li, .tiles li { break-inside: avoid; }
    }
    """
}
