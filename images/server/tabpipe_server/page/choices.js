"use strict";
// A text field with a list of known values to choose from. A value that is not in the list may be typed too.
// (A datalist shows only what matches the present text, so that a prefilled field would offer nothing else.)
function offerChoices(input, list, choices) {
  const most = 100;
  let at = -1, typed = false;
  const options = () => [...list.querySelectorAll("[role=option]")];

  function fill() {
    const sought = typed ? input.value.trim().toLowerCase() : "";
    const found = sought ? choices.filter(choice => choice.toLowerCase().includes(sought)) : choices;
    const shown = found.slice(0, most);
    const here = found.indexOf(input.value);
    if (here >= most) shown.unshift(input.value);
    list.replaceChildren(...shown.map((choice, index) => {
      const item = document.createElement("li");
      item.id = list.id + "o" + index;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(choice === input.value));
      item.textContent = choice;
      item.dataset.value = choice;
      return item;
    }));
    const rest = found.length - shown.length;
    if (rest > 0 || !found.length) {
      const note = document.createElement("li");
      note.className = "rest";
      note.setAttribute("role", "presentation");
      note.textContent = rest > 0 ? `${rest.toLocaleString("en")} more: type to narrow` : "no known value has this in it";
      list.append(note);
    }
    mark(shown.indexOf(input.value));
  }
  function mark(index) {
    const all = options();
    at = all.length ? Math.max(-1, Math.min(index, all.length - 1)) : -1;
    all.forEach((item, i) => item.classList.toggle("at", i === at));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", all[at].id);
    all[at].scrollIntoView({block: "nearest"});
  }
  function open() {
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    fill();
  }
  function close() {
    list.hidden = true;
    typed = false;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function take(item) {
    input.value = item.dataset.value;
    close();
    input.dispatchEvent(new Event("input", {bubbles: true}));
    close();
  }
  input.addEventListener("input", event => {
    if (!event.isTrusted) return;
    typed = true;
    open();
    mark(-1);
  });
  input.addEventListener("click", () => (list.hidden ? open() : close()));
  input.addEventListener("blur", close);
  input.addEventListener("keydown", event => {
    const shown = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!shown) return open();
      mark(event.key === "ArrowDown" ? at + 1 : at - 1);
    } else if (event.key === "Escape" && shown) {
      event.preventDefault();
      close();
    } else if (event.key === "Enter" && shown && at >= 0) {
      event.preventDefault();
      take(options()[at]);
    }
  });
  list.addEventListener("mousedown", event => {
    event.preventDefault();
    const item = event.target.closest("[role=option]");
    if (item) take(item);
  });
}
