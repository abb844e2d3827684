#if Service
import HTTPTypes
import NIOCore

/// The status page, a single self-contained document. Its content security policy lets it contact only this service.
enum Page {
  static var answer: Answer {
    var answer = Answer(text: text, type: "text/html; charset=utf-8")
    answer.fields[.contentSecurityPolicy] =
      "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
      + "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    return answer
  }

  private static let text = """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>vae-dist serve</title>
    <style>\(style)</style></head><body>
    <h1>vae-dist <small id="model"></small></h1>
    <form id="login" hidden><label>Token <input id="token" type="password" autocomplete="off"></label> <button>Use</button></form>
    <p id="state" role="status">...</p>
    <div id="tiles"></div>
    <h2>Scores of the newest rows</h2>
    <svg id="chart" viewBox="0 0 800 180" preserveAspectRatio="none" role="img" aria-label="scores, oldest left"></svg>
    <p id="legend"></p>
    <h2>Drift</h2><div id="drift"></div>
    <h2>Score a file</h2>
    <label id="drop" tabindex="0">Drop a CSV, NPY, PNG or JPEG file here, or choose one
    <input id="file" type="file" accept=".csv,.npy,.png,.jpg,.jpeg,.json"></label>
    <div id="result"></div>
    <script>\(script)</script></body></html>

    """

  private static let style = """
    :root{color-scheme:light dark;--line:#8886;--hot:#c62828;--cool:#1565c0}
    @media(prefers-color-scheme:dark){:root{--hot:#ff8a80;--cool:#82b1ff}}
    body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:1.5rem auto;padding:0 1rem}
    h1{font-size:1.4rem}h1 small{font-weight:400;opacity:.7;font-size:.8rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}
    #tiles{display:flex;flex-wrap:wrap;gap:.6rem}#tiles div{border:1px solid var(--line);border-radius:.5rem;padding:.4rem .8rem;min-width:7rem}
    #tiles b{display:block;font-size:1.3rem}svg{width:100%;height:11rem;border:1px solid var(--line);border-radius:.5rem}
    #drop{display:block;border:2px dashed var(--line);border-radius:.5rem;padding:1.5rem;text-align:center}#drop.over{border-color:var(--cool)}
    table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:right}td:first-child,th:first-child{text-align:left}
    .hot{color:var(--hot);font-weight:600}canvas{width:10rem;image-rendering:pixelated;margin-right:.6rem;border:1px solid var(--line)}

    """

  private static let script = #"""
    "use strict";
    const $ = id => document.getElementById(id), ns = "http://www.w3.org/2000/svg";
    let token = sessionStorage.getItem("token") || "", known = null;
    const short = v => v === null || v === undefined ? "-" : String(Number(Number(v).toPrecision(4)));
    function make(name, text, kind) { const e = document.createElement(name); e.textContent = text; if (kind) e.className = kind; return e; }
    function ask(path, options = {}) {
      options.headers = Object.assign({}, options.headers, token ? {Authorization: "Bearer " + token} : {});
      return fetch(path, options).then(async r => {
        const body = await r.json();
        $("login").hidden = r.status !== 401;
        if (!r.ok) throw new Error(body.error + (body.hint ? " (" + body.hint + ")" : ""));
        return body;
      });
    }
    $("login").onsubmit = e => { e.preventDefault(); token = $("token").value.trim(); sessionStorage.setItem("token", token); look(); };
    function table(head, rows) {
      const t = document.createElement("table"), h = t.insertRow();
      head.forEach(c => h.append(make("th", c)));
      rows.forEach(cells => { const r = t.insertRow(); cells.forEach(c => r.append(make("td", c.text ?? c, c.kind))); });
      return t;
    }
    function draw(scores, threshold) {
      const chart = $("chart"); chart.replaceChildren();
      if (!scores.length) return;
      const all = scores.filter(v => v !== null).concat(threshold === null ? [] : [threshold]);
      const low = Math.min(...all), high = Math.max(...all), span = high - low || 1;
      const y = v => v === null ? 2 : 172 - 164 * (v - low) / span, step = 800 / Math.max(scores.length, 60);
      scores.forEach((v, i) => {
        const c = document.createElementNS(ns, "rect");
        const hot = threshold !== null && (v === null || v > threshold);
        Object.entries({x: i * step, y: y(v) - 2, width: Math.max(2, step * .7), height: 4, fill: hot ? "var(--hot)" : "var(--cool)"})
          .forEach(([k, w]) => c.setAttribute(k, w));
        chart.append(c);
      });
      if (threshold !== null) {
        const l = document.createElementNS(ns, "line");
        Object.entries({x1: 0, x2: 800, y1: y(threshold), y2: y(threshold), stroke: "var(--hot)", "stroke-dasharray": "6 4"})
          .forEach(([k, w]) => l.setAttribute(k, w));
        chart.append(l);
      }
      $("legend").textContent = "from " + short(low) + " to " + short(high)
        + (threshold === null ? "; no threshold: the model is not calibrated" : "; dashed: the threshold, " + short(threshold));
    }
    let last = null;
    function show(s) {
      known = s;
      $("model").textContent = s.model + ", " + s.score;
      $("state").textContent = "Running for " + Math.round(s.seconds) + " s.";
      const threshold = s.calibration ? s.calibration.threshold : null, drift = s.window.drift;
      const rate = last ? (s.requests - last.requests) / Math.max(.1, s.seconds - last.seconds) : 0;
      last = s;
      const tiles = [["requests", s.requests], ["per second", rate.toFixed(1)], ["rows scored", s.rows],
        ["above threshold", s.window.share_above === null ? "-" : (100 * s.window.share_above).toFixed(2) + " %"],
        ["drift", drift ? drift.verdict : "-"]];
      $("tiles").replaceChildren(...tiles.map(([name, value]) => {
        const d = make("div", name); d.prepend(make("b", value, value === "major" || value === "moderate" ? "hot" : "")); return d;
      }));
      draw(s.recent, threshold);
      const lines = drift ? [drift.score, ...drift.columns.slice(0, 8)] : [];
      $("drift").replaceChildren(drift
        ? table(["", "verdict", "PSI", "KS", "p"], lines.map(l =>
            [l.name, {text: l.verdict, kind: l.verdict === "none" ? "" : "hot"}, short(l.psi), short(l.ks), short(l.p_value)]))
        : make("p", s.calibration ? "Too few rows to judge: " + s.window.rows + "." : "The model is not calibrated."));
    }
    function look() { return ask("/status").then(show).catch(e => { $("state").textContent = e.message; }); }
    function picture(values) {
      const [h, w, c] = known.image, canvas = document.createElement("canvas");
      canvas.width = w; canvas.height = h;
      const data = new ImageData(w, h), low = values.reduce((a, b) => Math.min(a, b)), span = values.reduce((a, b) => Math.max(a, b)) - low || 1;
      for (let i = 0; i < h * w; i++) for (let k = 0; k < 4; k++)
        data.data[4 * i + k] = k === 3 ? 255 : 255 * (values[i * c + (c === 3 ? k : 0)] - low) / span;
      canvas.getContext("2d").putImageData(data, 0, 0);
      return canvas;
    }
    const types = {csv: "text/csv", npy: "application/x-npy", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", json: "application/json"};
    async function score(file) {
      const type = types[file.name.split(".").pop().toLowerCase()] || "text/csv", body = await file.arrayBuffer();
      try {
        const s = await ask("/score", {method: "POST", headers: {"Content-Type": type}, body});
        const order = s.scores.map((v, i) => i).sort((a, b) => (s.scores[b] ?? Infinity) - (s.scores[a] ?? Infinity)).slice(0, 20);
        const parts = [make("p", file.name + ": " + s.scores.length + " rows"
          + (s.anomalous ? ", " + s.anomalous.filter(a => a).length + " anomalous" : "") + "; the highest scores:"),
          table(["row", "score", "p", ""], order.map(i => [i + 1, short(s.scores[i]), s.p_values ? short(s.p_values[i]) : "-",
            s.anomalous && s.anomalous[i] ? {text: "anomalous", kind: "hot"} : ""]))];
        if (type.startsWith("image/") && known && known.image) {
          const r = await ask("/reconstruct", {method: "POST", headers: {"Content-Type": type}, body});
          parts.push(make("p", "Reconstruction:"), picture(r.rows[0]));
        }
        $("result").replaceChildren(...parts);
      } catch (e) { $("result").replaceChildren(make("p", e.message, "hot")); }
      look();
    }
    $("file").onchange = e => { if (e.target.files.length) score(e.target.files[0]); };
    const drop = $("drop");
    drop.ondragover = e => { e.preventDefault(); drop.classList.add("over"); };
    drop.ondragleave = () => drop.classList.remove("over");
    drop.ondrop = e => { e.preventDefault(); drop.classList.remove("over"); if (e.dataTransfer.files.length) score(e.dataTransfer.files[0]); };
    look(); setInterval(look, 2000);

    """#
}
#endif
