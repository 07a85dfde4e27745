// Icons, drawn as lines on a grid of 24. They say nothing to who can't see them: the text beside them does.

const SVG = 'http://www.w3.org/2000/svg';
const PATHS = {
  mic: 'M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3M5 11v1a7 7 0 0 0 14 0v-1M12 19v3',
  muted: 'M9 9v3a3 3 0 0 0 5 2.2M15 11V6a3 3 0 0 0-5.9-.8M5 11v1a7 7 0 0 0 11 5.7M19 11v1c0 .9-.2 1.8-.5 2.6M12 19v3M3 3l18 18',
  hand: 'M8 13V5.5a1.5 1.5 0 0 1 3 0V11M11 10.5v-6a1.5 1.5 0 0 1 3 0V11M14 11V6a1.5 1.5 0 0 1 3 0v8a7 7 0 0 1-7 7c-2.5 0-4-1-5.2-2.8L3 14.5c-.6-1 .6-2.2 1.7-1.5L8 15',
  down: 'M12 4v14M6 12l6 6 6-6',
  leave: 'M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4M10 8l-4 4 4 4M6 12h10',
  crown: 'M4 8l4 4 4-7 4 7 4-4-1.5 10h-13z',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6.4M18 14.5c2.1.8 3.5 2.8 3.5 5.5',
  plus: 'M12 5v14M5 12h14',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  close: 'M6 6l12 12M18 6L6 18',
  wave: 'M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4',
  sound: 'M4 9v6h4l5 4V5L8 9zM16.5 8.5a5 5 0 0 1 0 7M19 6a9 9 0 0 1 0 12',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1-1',
};

/** An icon by its name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = { viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true', focusable: 'false' };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

/** Changes which icon is shown. */
export function redraw(svg, name) {
  const path = svg.firstChild;
  if (path.getAttribute('d') !== PATHS[name]) path.setAttribute('d', PATHS[name]);
}
