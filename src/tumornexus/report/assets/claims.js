"use strict";
(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var mechanisms = data.mechanisms, edges = data.edges, therapies = data.therapies;
  var figures = document.getElementById("figures"), panel = document.getElementById("panel");
  var welcome = panel.innerHTML, held = null;
  var arrow = { "+": "→", "-": "⊣", "±": "⇸" };
  function get(id) { return document.getElementById(id); }
  function make(tag, text, name) {
    var e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (name) e.className = name;
    return e;
  }
  // Highlight a set of keys in both figures; null shows all.
  function show(keys) {
    figures.classList.toggle("focus", Boolean(keys));
    figures.querySelectorAll("[data-key]").forEach(function (e) {
      e.classList.toggle("hot", Boolean(keys) && keys.has(e.dataset.key));
    });
  }
  function around(id) {
    var keys = new Set(["n:" + id]);
    edges.forEach(function (e) {
      if (e.from !== id && e.to !== id) return;
      keys.add("e:" + e.from + ">" + e.to);
      keys.add("n:" + e.from);
      keys.add("n:" + e.to);
    });
    return keys;
  }
  function chain(nodes) {
    var keys = new Set();
    nodes.forEach(function (n, i) {
      keys.add("n:" + n);
      if (i) keys.add("e:" + nodes[i - 1] + ">" + n);
    });
    return keys;
  }
  function hold(keys) { held = keys; show(keys); }
  function nodeButton(id) {
    var b = make("button", mechanisms[id].short, "node");
    b.addEventListener("click", function () { select(id); });
    return b;
  }
  function cite(parent, keys) {
    keys.forEach(function (key) {
      var reference = data.references[key];
      if (!reference) return;
      parent.append(" ");
      var a = make(reference[1] ? "a" : "span", "[" + key + "]", "sub");
      a.title = reference[0];
      if (reference[1]) { a.href = reference[1]; a.rel = "noopener"; }
      parent.append(a);
    });
  }
  function list(title, rows) {
    if (!rows.length) return;
    panel.append(make("h3", title));
    var ul = make("ul");
    rows.forEach(function (row) { ul.append(row); });
    panel.append(ul);
  }
  function select(id) {
    var m = mechanisms[id];
    hold(around(id));
    panel.replaceChildren(make("h2", m.name));
    panel.append(make("p", m.kind + " · " + m.category + " · " + m.hub + " · steps " + (m.steps.join(", ") || "none"), "sub"));
    var claim = make("p", m.claim);
    cite(claim, m.source);
    panel.append(claim);
    panel.append(make("p", "Evidence " + m.evidence + ", " + m.grade + ". Expected with PD-1 blockade: " + m.pd1 + "; with CAR-T cells: " + m.car_t + ".", "sub"));
    function edgeRow(e, other) {
      var li = make("li");
      li.append(make("span", arrow[e.sign], { "+": "plus", "-": "minus", "±": "both" }[e.sign]), nodeButton(other));
      cite(li, e.source);
      li.title = mechanisms[e.from].short + " " + data.verbs[e.sign] + " " + mechanisms[e.to].short + (e.where ? " (" + e.where + ")" : "");
      return li;
    }
    list("It drives (→) or holds back (⊣)", edges.filter(function (e) { return e.from === id; }).map(function (e) { return edgeRow(e, e.to); }));
    list("Driven (→) or held back (⊣) by", edges.filter(function (e) { return e.to === id; }).map(function (e) { return edgeRow(e, e.from); }));
    var through = new Map();
    m.reversed.forEach(function (r) { through.set(r[0], (through.get(r[0]) || []).concat(r[1])); });
    list("Reversed by", Array.from(through, function (r) {
      var li = make("li", therapies[r[0]].name);
      if (r[1].length) li.append(make("span", " through " + r[1].map(function (n) { return mechanisms[n].short; }).join(", "), "sub"));
      return li;
    }));
    list("What speaks against it", m.against.map(function (c) { return make("li", c.finding); }));
  }
  figures.addEventListener("mouseover", function (event) {
    var e = event.target.closest("[data-key]");
    if (!e) return show(held);
    var key = e.dataset.key;
    if (key.slice(0, 2) === "n:") return show(around(key.slice(2)));
    var ends = key.slice(2).split(">");
    show(new Set([key, "n:" + ends[0], "n:" + ends[1]]));
  });
  figures.addEventListener("mouseleave", function () { show(held); });
  figures.addEventListener("click", function (event) {
    var e = event.target.closest("[data-key]");
    if (!e) return clear();
    if (e.dataset.key.slice(0, 2) === "n:") select(e.dataset.key.slice(2));
  });
  function clear() {
    ["find", "filter-hub", "filter-step", "filter-therapy"].forEach(function (id) { get(id).value = ""; });
    document.querySelectorAll("[aria-current]").forEach(function (e) { e.removeAttribute("aria-current"); });
    panel.innerHTML = welcome;
    hold(null);
  }
  get("clear").addEventListener("click", clear);
  document.querySelectorAll("[data-tab]").forEach(function (tab) {
    tab.addEventListener("click", function () { arrange(tab.dataset.tab); });
  });
  function arrange(name) {
    document.querySelectorAll("[data-tab]").forEach(function (t) { t.setAttribute("aria-selected", String(t.dataset.tab === name)); });
    document.querySelectorAll("[data-figure]").forEach(function (f) { f.hidden = f.dataset.figure !== name; });
    document.querySelector(".split").classList.toggle("stacked", name === "step"); // the columns need the whole width
  }
  get("find").addEventListener("change", function () {
    var words = this.value.trim().toLowerCase();
    if (!words) return;
    var ids = Object.keys(mechanisms);
    function called(id) { return [id, mechanisms[id].name].concat(mechanisms[id].aliases).map(function (n) { return n.toLowerCase(); }); }
    var found = ids.find(function (id) { return called(id).includes(words); }) || ids.find(function (id) {
      return called(id).some(function (n) { return n.includes(words); });
    });
    if (found) select(found);
  });
  // Filters: mechanisms that pass all of them, and the edges among those.
  function filter() {
    var hub = get("filter-hub").value, step = Number(get("filter-step").value), therapy = get("filter-therapy").value;
    if (!hub && !step && !therapy) return hold(null);
    var pass = Object.keys(mechanisms).filter(function (id) {
      var m = mechanisms[id];
      return (!hub || m.hub === hub) && (!step || m.steps.includes(step)) &&
        (!therapy || m.reversed.some(function (r) { return r[0] === therapy && !r[1].length; }));
    });
    var keys = new Set(pass.map(function (id) { return "n:" + id; }));
    edges.forEach(function (e) { if (keys.has("n:" + e.from) && keys.has("n:" + e.to)) keys.add("e:" + e.from + ">" + e.to); });
    hold(keys);
  }
  ["filter-hub", "filter-step", "filter-therapy"].forEach(function (id) { get(id).addEventListener("change", filter); });
  function product(signs) {
    if (signs.includes("±")) return "±";
    return signs.filter(function (s) { return s === "-"; }).length % 2 ? "-" : "+";
  }
  function spell(nodes, signs) {
    return nodes.map(function (n, i) { return (i ? " " + arrow[signs[i - 1]] + " " : "") + mechanisms[n].short; }).join("");
  }
  function pick(li, keys) {
    document.querySelectorAll("[aria-current]").forEach(function (e) { e.removeAttribute("aria-current"); });
    li.setAttribute("aria-current", "true");
    hold(keys);
    figures.scrollIntoView({ block: "nearest" });
  }
  function paths() {
    var from = get("from").value, to = get("to").value, out = get("paths"), found = [];
    out.replaceChildren();
    if (!from || !to) return;
    (function walk(nodes, signs) {
      var last = nodes[nodes.length - 1];
      if (last === to && nodes.length > 1) { found.push([nodes, signs]); return; }
      if (nodes.length > 4) return;
      edges.forEach(function (e) {
        if (e.from === last && !nodes.includes(e.to)) walk(nodes.concat(e.to), signs.concat(e.sign));
      });
    })([from], []);
    found.sort(function (a, b) { return a[0].length - b[0].length || (a[0].join() < b[0].join() ? -1 : 1); });
    if (!found.length) out.append(make("li", "No chain of up to four claims."));
    found.slice(0, 50).forEach(function (f) {
      var li = make("li"), sign = product(f[1]);
      li.append(make("span", { "+": "promotes", "-": "opposes", "±": "disputed" }[sign], "sign"), spell(f[0], f[1]));
      li.addEventListener("click", function () { pick(li, chain(f[0])); });
      out.append(li);
    });
  }
  get("from").addEventListener("change", paths);
  get("to").addEventListener("change", paths);
  document.querySelectorAll("[data-loop]").forEach(function (li) {
    li.addEventListener("click", function () { pick(li, chain(data.loops[Number(li.dataset.loop)].nodes)); });
  });
  get("through").addEventListener("change", function () {
    var id = this.value;
    document.querySelectorAll("[data-loop]").forEach(function (li) {
      li.hidden = Boolean(id) && !data.loops[Number(li.dataset.loop)].nodes.includes(id);
    });
  });
  var firstPairs = Array.from(get("pairs").children);
  get("partner").addEventListener("change", function () {
    var id = this.value;
    if (!id) return get("pairs").replaceChildren.apply(get("pairs"), firstPairs);
    get("pairs").replaceChildren.apply(get("pairs"), data.partners[id].map(function (c) {
      var li = make("li");
      li.dataset.still = "";
      li.append(make("b", therapies[id].name + " + " + therapies[c.with].name), make("br"), make("span", c.reason, "sub"));
      return li;
    }));
  });
  // A link such as network.html#step or network.html#mdsc opens that view.
  var wanted = location.hash.slice(1);
  if (wanted === "step" || wanted === "hub") arrange(wanted);
  else if (mechanisms[wanted]) select(wanted);
})();
