// Elements of the page in one call; text goes in as text, never as markup.

/**
 * An element with its properties and children. What begins with "on" is a listener, "class" and what has a
 * dash or is unknown to the element is an attribute, the rest are properties; undefined and null are left
 * out.
 * @param {string} tag
 * @param {Object<string, any>} [properties]
 * @param {...(Node|string|number|null|undefined|Array)} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) set(made, name, value);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

function set(made, name, value) {
  if (value === undefined || value === null) return;
  if (name.startsWith("on")) made.addEventListener(name.slice(2).toLowerCase(), value);
  else if (name in made && !name.includes("-") && name !== "list" && name !== "form") made[name] = value;
  else if (value !== false)
    made.setAttribute(name === "className" ? "class" : name, value === true ? "" : value);
}

/**
 * A label and what it labels: fills in id and for.
 * @param {string} text
 * @param {HTMLElement} control an input, select or textarea
 * @param {...Node} more a hint, a fault
 * @returns {HTMLElement}
 */
export function field(text, control, ...more) {
  control.id ||= `field-${(fields += 1)}`;
  return element(
    "div",
    { class: "field" },
    element("label", { htmlFor: control.id }, text),
    control,
    ...more,
  );
}

let fields = 0;

/**
 * A picture of lines for a button; it says nothing to screen readers, so the button needs text or an
 * aria-label.
 * @param {string} path the d of an SVG path in a square of 24
 * @returns {SVGElement}
 */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  picture.append(line);
  return picture;
}

export const ICONS = {
  play: "M7 4l13 8-13 8z",
  pause: "M8 5v14M16 5v14",
  stop: "M6 6h12v12H6z",
  again: "M4 12a8 8 0 1 0 3-6.2M4 4v5h5",
  down: "M12 4v11M7 11l5 5 5-5M5 20h14",
  microphone: "M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5 11a7 7 0 0 0 14 0M12 18v3",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7",
  edit: "M4 20h4L19 9l-4-4L4 16z",
  undo: "M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6",
  plus: "M12 5v14M5 12h14",
  bin: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
};
