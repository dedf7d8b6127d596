"use strict";
// The commands with the address under which this page was reached.
const base = new URL(".", location.href).href.replace(/\/$/, "");
for (const command of document.querySelectorAll(".endpoint pre")) {
  command.textContent = command.textContent.replace("http://localhost:8000", base);
}
