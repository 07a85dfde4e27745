// How a page looks to who can't see well, or has a small screen: contrast, and what sticks out. Run in the page.

/** Texts whose contrast to what is behind them is under 4.5 to 1 (WCAG 2.2, 1.4.3), as `text: ratio`. */
export function faint() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].reduce((sum, part, at) => {
    const share = part / 255;
    return sum + [0.2126, 0.7152, 0.0722][at] * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const ground = rgba(getComputedStyle(at).backgroundColor);
      if (ground[3] > 250) return ground;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data.trim()).join('');
    if (!text || !element.checkVisibility() || element.closest(':disabled, .unseen')) continue;
    const [one, other] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push(`${text}: ${ratio.toFixed(2)}`);
  }
  return found;
}

/** How far the page is wider than its window, in pixels, and what sticks out of it. */
export function overhang() {
  const { scrollWidth, clientWidth } = document.documentElement;
  const out = [...document.querySelectorAll('body *')].filter((element) => {
    const { right, width } = element.getBoundingClientRect();
    return width > 1 && element.checkVisibility() && right > clientWidth + 1;
  });
  return { wider: scrollWidth - clientWidth, out: out.map((element) => element.className || element.tagName) };
}

/** Things to press that have no name, or are smaller than 24 by 24 (WCAG 2.2, 2.5.8). */
export function unpressable() {
  return [...document.querySelectorAll('button, a, input')].filter((element) => {
    if (!element.checkVisibility()) return false;
    const { width, height } = element.getBoundingClientRect();
    const label = element.getAttribute('aria-label') || element.innerText || element.labels?.length;
    const room = element.type === 'radio' ? 16 : 24;
    return !label || width < room || height < room;
  }).map((element) => element.outerHTML);
}
