// Building the page: every text goes in as a text node, never as markup.

/** Make an element. Attributes: `class`, `on` (listeners), anything else by its own name. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A token in the monospace face, in the colour of its part: "query", "key" or none. */
export function tokenNode(text, part = "") {
  return element("span", { class: `tok ${part}` }, text);
}

/** A button with a name that a screen reader says and a tip that a pointer sees. */
export function button(label, { tip = "", pressed = null, onClick, name = "" } = {}) {
  const node = element(
    "button",
    { type: "button", title: tip || null, "aria-label": name || null, on: { click: onClick } },
    label,
  );
  if (pressed !== null) node.setAttribute("aria-pressed", String(pressed));
  return node;
}

/** A row of buttons of which one is on: `choices` maps value to label. */
export function choice(legend, choices, value, onPick) {
  const group = element("div", { class: "choice", role: "group", "aria-label": legend });
  for (const [key, label] of Object.entries(choices)) {
    group.append(
      button(label, {
        pressed: key === value,
        onClick: () => {
          for (const other of group.children) other.setAttribute("aria-pressed", "false");
          group.children[Object.keys(choices).indexOf(key)].setAttribute("aria-pressed", "true");
          onPick(key);
        },
      }),
    );
  }
  return group;
}

/** A labelled list to pick a token from. */
export function tokenPicker(label, strip, index, part, onPick) {
  const select = element("select", {
    class: `tok ${part}`,
    on: { change: () => onPick(Number(select.value)) },
  });
  strip.display.forEach((token, i) => {
    select.append(element("option", { value: i, selected: i === index }, `${i}  ${token}`));
  });
  return element("label", { class: "picker" }, element("span", {}, label), select);
}

/** Call later, but only once for many calls. */
export function debounce(action, delay) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...args), delay);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

export function prefersReducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
