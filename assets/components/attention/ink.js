// Text on a coloured ground, at any place of a palette: black or white, whichever reads better.

function luminance(rgb) {
  const [r, g, b] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** One of the two always has a contrast of at least 4.58 (WCAG: 4.5 for text). */
export function readableOn(rgb) {
  return luminance(rgb) > 0.179 ? "#000000" : "#ffffff";
}
