"use strict";
(() => {
  const byId = id => document.getElementById(id);
  const signature = JSON.parse(byId("signature").textContent);
  const {columns} = signature;
  const form = byId("form"), result = byId("result"), button = byId("predict");
  const inputs = columns.map((_, at) => byId("f" + at));
  const gone = columns.map((_, at) => byId("g" + at)); // says that a value is missing, where the column is needed
  let example = 0, sent = 0;

  function made(tag, kind, ...content) {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    element.append(...content);
    return element;
  }
  const sentence = text => text && text[0].toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");
  const shown = (number, digits = 6) => number.toLocaleString("en", {maximumSignificantDigits: digits});

  // What the form asks: empty fields are left out, so that the server refuses those that are needed.
  function asked() {
    const record = Object.create(null); // a column may be called __proto__
    columns.forEach((column, at) => {
      const text = inputs[at].value;
      if (text !== "") record[column.name] = column.kind === "numerical" ? Number(text) : text;
      else if (gone[at]?.getAttribute("aria-pressed") === "true") record[column.name] = null;
    });
    const request = {dataframe_records: [record]};
    const params = {...(signature.classes && {probabilities: true}), ...(signature.intervals && {intervals: true})};
    if (Object.keys(params).length) request.params = params;
    return request;
  }

  const quoted = text => "'" + text.replaceAll("'", "'\\''") + "'";
  function showCurl() {
    const key = byId("key-row").hidden ? "" : ' \\\n  -H "Authorization: Bearer $API_KEY"';
    byId("curl").textContent = `curl ${quoted(new URL("invocations", location.href).href)} \\\n` +
      `  -H 'Content-Type: application/json'${key} \\\n  -d ${quoted(JSON.stringify(asked()))}`;
  }

  function hint(at) {
    const {choices, kind} = columns[at], text = inputs[at].value;
    const unknown = kind === "categorical" && choices && text !== "" && !choices.includes(text);
    byId("n" + at).textContent = unknown ? "Not a value the model was trained with: it answers as for an unknown one." : "";
  }
  function showWrong(at, message) {
    byId("w" + at).textContent = message;
    inputs[at].setAttribute("aria-invalid", "true");
    inputs[at].focus();
  }
  function clearWrong(at) {
    inputs[at].removeAttribute("aria-invalid");
    byId("w" + at).textContent = "";
  }
  function setGone(at, missing) {
    gone[at]?.setAttribute("aria-pressed", String(missing));
    if (gone[at]) inputs[at].placeholder = missing ? "missing" : "";
  }
  function changed(at) {
    if (inputs[at].value !== "") setGone(at, false);
    hint(at);
    clearWrong(at);
    showCurl();
  }
  function fillIn(row) {
    columns.forEach((column, at) => {
      const value = String((Object.hasOwn(row, column.name) ? row[column.name] : null) ?? "");
      inputs[at].value = inputs[at].type === "date" ? value.slice(0, 10) : value;
      setGone(at, Object.hasOwn(row, column.name) && row[column.name] === null);
      changed(at);
    });
  }

  // The column that an error is about: named by the server, or at the end of the place that it names.
  function columnOf(error) {
    const place = String(error.where ?? "");
    const fits = columns.map((column, at) => [column.name, at])
      .filter(([name]) => error.column === name || place === name || place.endsWith("column " + name))
      .sort(([a], [b]) => b.length - a.length);
    return fits.length ? fits[0][1] : -1;
  }
  function told(rows) {
    const list = made("dl", "facts");
    for (const [name, value] of rows) if (value) list.append(made("dt", "", name), made("dd", "", value));
    return list;
  }
  function showProblem(message, error = {}, facts = []) {
    const lines = [message, error.rule && `Rule: ${error.rule}.`, error.mend && sentence(error.mend)].filter(Boolean);
    const box = made("div", "problem", ...lines.map((line, i) => made("p", i ? "note" : "", line)));
    box.setAttribute("role", "alert");
    result.replaceChildren(box, told(facts));
  }
  function showRefusal(response, body, facts) {
    const error = body?.error ?? {};
    const message = sentence(String(error.message ?? body?.message ?? `The server answered ${response.status}`));
    facts.push(["Code", error.code ? `${error.code} (${response.status})` : String(response.status)]);
    const at = columnOf(error);
    if (response.status === 401) {
      byId("key-row").hidden = false;
      byId("key").focus();
      showCurl();
    } else if (at >= 0) {
      showWrong(at, error.code === "BAD_VALUE" && error.rule ? `Needs ${error.rule}.` : message);
    }
    // At a field, what a program would have to send is of no use to a person.
    if (at >= 0) showProblem(`${columns[at].name}: ${message}`, error.code === "MISSING_COLUMN" ? {} : error, facts);
    else showProblem(message, error, facts);
  }

  function bars(classes, probabilities) {
    const order = classes.map((label, at) => [label, probabilities[at]]).sort((a, b) => b[1] - a[1]);
    const rows = order.map(([label, share]) => {
      const fill = made("i", "");
      fill.style.width = `${100 * share}%`;
      const row = made("li", "", made("span", "label", label), made("span", "track", fill),
        made("span", "share", share > 0 && share < 0.0005 ? "<0.1 %" : `${(100 * share).toFixed(1)} %`));
      row.title = `${label}: ${share}`;
      return row;
    });
    const list = made("ol", "bars", ...rows.slice(0, 20));
    list.setAttribute("aria-label", "Probability of each class");
    if (rows.length <= 20) return [list];
    const more = made("details", "", made("summary", "", `${rows.length - 20} further classes`),
      made("ol", "bars", ...rows.slice(20)));
    return [list, more];
  }
  function showAnswer(body, facts) {
    const [predicted] = body.predictions;
    const large = made("output", "predicted", typeof predicted === "number" ? shown(predicted) : predicted);
    large.title = String(predicted);
    const parts = [made("p", "what", signature.target), large];
    const level = `${shown(100 * (body.level ?? 0))} %`;
    if (body.intervals) {
      parts.push(made("p", "note", `${level} interval: ${body.intervals[0].map(end => shown(end, 4)).join(" to ")}`));
    }
    if (body.sets) parts.push(made("p", "note", `${level} set: ${body.sets[0].join(" or ")}`));
    if (body.probabilities) parts.push(...bars(body.classes, body.probabilities[0]));
    if (facts.some(([name, value]) => name === "Version" && value && value !== signature.version)) {
      parts.push(made("p", "note", "Another version than the one this form was made for answered. Reload for its form."));
    }
    result.replaceChildren(...parts, told(facts));
  }

  async function predict() {
    const turn = ++sent, started = performance.now(), key = byId("key").value.trim();
    const headers = {"Content-Type": "application/json"};
    if (key) headers.Authorization = "Bearer " + key;
    columns.forEach((_, at) => clearWrong(at));
    const unreadable = inputs.findIndex(input => input.validity.badInput); // the browser gives out no such text
    if (unreadable >= 0) return showWrong(unreadable, columns[unreadable].kind === "date" ? "No whole date." : "No number.");
    button.disabled = true;
    result.setAttribute("aria-busy", "true");
    try {
      const response = await fetch("invocations", {
        method: "POST", headers, body: JSON.stringify(asked()), signal: AbortSignal.timeout(60000), cache: "no-store",
      });
      const text = await response.text();
      if (turn !== sent) return;
      let body = null;
      try { body = JSON.parse(text); } catch { /* an answer that is no JSON, for instance a proxy's */ }
      const facts = [
        ["Model", response.headers.get("X-Model-Name")], ["Version", response.headers.get("X-Model-Version")],
        ["Role", response.headers.get("X-Model-Role")],
        ["Request", response.headers.get("X-Request-Id") ?? body?.request_id],
        ["Latency", `${shown(performance.now() - started, 3)} ms, network included`],
      ];
      if (response.ok && Array.isArray(body?.predictions)) showAnswer(body, facts);
      else showRefusal(response, body, facts);
    } catch (error) {
      if (turn === sent) showProblem(`No answer from the server (${error.message}).`);
    } finally {
      if (turn === sent) {
        button.disabled = false;
        result.removeAttribute("aria-busy");
        const place = byId("answer-title").getBoundingClientRect();
        const narrow = place.top > innerHeight * 0.8 || place.bottom < 0;
        if (narrow && !form.querySelector("[aria-invalid]") && byId("key") !== document.activeElement) {
          byId("answer-title").scrollIntoView({block: "start"});
        }
      }
    }
  }

  columns.forEach((column, at) => {
    const list = byId("l" + at);
    if (list) offerChoices(inputs[at], list, column.choices);
    inputs[at].addEventListener("input", () => changed(at));
    gone[at]?.addEventListener("click", () => {
      const missing = gone[at].getAttribute("aria-pressed") !== "true";
      setGone(at, missing);
      if (missing) inputs[at].value = "";
      else inputs[at].focus();
      changed(at);
    });
    if (column.kind === "text") inputs[at].addEventListener("keydown", event => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    hint(at);
  });
  form.addEventListener("submit", event => {
    event.preventDefault();
    if (!button.disabled) predict();
  });
  byId("example").addEventListener("click", () => {
    const rows = signature.examples ?? [];
    const prefilled = Object.fromEntries(columns.map(column => [column.name, column.example]));
    const all = [prefilled, ...rows.filter(row => JSON.stringify(row) !== JSON.stringify(prefilled))];
    example = (example + 1) % all.length;
    fillIn(all[example]);
  });
  byId("clear").addEventListener("click", () => {
    fillIn({});
    inputs[0]?.focus();
  });
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(byId("curl").textContent);
      byId("copied").textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(byId("curl"));
      byId("copied").textContent = "Selected: copy it with the keyboard.";
    }
  });
  byId("key").addEventListener("input", showCurl);
  showCurl();
})();
