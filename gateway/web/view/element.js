// Elements of the page. Text is only ever set as text: no name can become markup.

/**
 * Makes an element: `h('button', { class: 'quiet', onclick: act, 'aria-label': 'Leave' }, 'Leave')`.
 * Properties that begin with `on` are listeners; true and false set and leave out an attribute.
 */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else attribute(element, key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Sets an attribute, if it is not so already; `false` and null take it away. */
export function attribute(element, key, value) {
  const text = value === true ? '' : value;
  if (value === false || value == null) element.removeAttribute(key);
  else if (element.getAttribute(key) !== String(text)) element.setAttribute(key, text);
}

/** Sets the text, if it is another: what reads the page aloud isn't disturbed for nothing. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** Shows an element, or hides it. */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/**
 * A list that goes with its items in place: the element of an item stays the same, and with it the focus; where an item
 * goes that has it, what is around the list takes it. Gives the function that brings it up to date. `make(item)` gives
 * { element, update(item) }.
 */
export function keyed(parent, key, make) {
  const parts = new Map();
  return (items) => {
    const wanted = new Set(items.map(key));
    for (const [id, part] of parts) {
      if (wanted.has(id)) continue;
      const focused = part.element.contains(document.activeElement);
      part.element.remove();
      if (focused) parent.closest('[tabindex]')?.focus();
      parts.delete(id);
    }
    items.forEach((item, index) => {
      let part = parts.get(key(item));
      if (!part) {
        part = make(item);
        parts.set(key(item), part);
      }
      part.update(item);
      const there = parent.children[index];
      if (there !== part.element) parent.insertBefore(part.element, there ?? null);
    });
  };
}
