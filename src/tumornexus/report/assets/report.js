"use strict";
(function () {
  // Sort a table by the button of a column; cells carry their sort value in data-v, empty ones go last.
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = table.querySelectorAll("th");
    heads.forEach(function (head, column) {
      var button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach(function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var body = table.tBodies[0];
        Array.from(body.rows).map(function (row) {
          var cell = row.cells[column], raw = cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
          return { row: row, text: raw, value: raw === "" ? NaN : Number(raw) };
        }).sort(function (a, b) {
          if (a.text === "" || b.text === "") return (a.text === "") - (b.text === "");
          var d = isNaN(a.value) || isNaN(b.value) ? a.text.localeCompare(b.text) : a.value - b.value;
          return up ? d : -d;
        }).forEach(function (item) { body.appendChild(item.row); });
      });
    });
  });
  // Point at a regimen anywhere and the same regimen stands out in every figure and table of its section.
  document.querySelectorAll("section").forEach(function (section) {
    function show(key) {
      section.classList.toggle("focus", Boolean(key));
      section.querySelectorAll("[data-key]").forEach(function (e) {
        e.classList.toggle("hot", Boolean(key) && e.dataset.key === key);
      });
    }
    section.addEventListener("mouseover", function (event) {
      var e = event.target.closest("[data-key]");
      show(e && e.dataset.key);
    });
    section.addEventListener("mouseleave", function () { show(null); });
  });
  // Mark the section in view in the navigation.
  var links = {};
  document.querySelectorAll("nav a").forEach(function (a) { links[a.hash.slice(1)] = a; });
  if ("IntersectionObserver" in window) {
    var observer = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) return;
        Object.values(links).forEach(function (a) { a.classList.remove("here"); });
        if (links[entry.target.id]) links[entry.target.id].classList.add("here");
      });
    }, { rootMargin: "-60px 0px -70% 0px" });
    document.querySelectorAll("section[id]").forEach(function (s) { observer.observe(s); });
  }
})();
