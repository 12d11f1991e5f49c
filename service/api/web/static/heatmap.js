/* Paints a small grid of values from 0 to 1 as a smooth, half-transparent layer. */

const SIDE = 256;
const COLOURS = [[68, 20, 120], [190, 30, 110], [245, 110, 40], [255, 225, 80]]; // cold to warm

export function paint(canvas, { values, region }) {
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  const rows = values.map((row) => stretch(row, SIDE));
  for (let x = 0; x < SIDE; x++) {
    const column = stretch(rows.map((row) => row[x]), SIDE);
    for (let y = 0; y < SIDE; y++) pixels.data.set(colour(column[y]), 4 * (y * SIDE + x));
  }
  context.putImageData(pixels, 0, 0);
  Object.assign(canvas.style, {
    left: `${100 * region.left}%`,
    top: `${100 * region.top}%`,
    width: `${100 * (region.right - region.left)}%`,
    height: `${100 * (region.bottom - region.top)}%`,
  });
}

/** Catmull-Rom through `points`, which stand at the centres of equal cells. */
function stretch(points, length) {
  const at = (i) => points[Math.min(Math.max(i, 0), points.length - 1)];
  return Array.from({ length }, (_, n) => {
    const position = ((n + 0.5) / length) * points.length - 0.5;
    const i = Math.floor(position);
    const t = position - i;
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    return b + (t / 2) * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  });
}

function colour(value) {
  const v = Math.min(Math.max(value, 0), 1);
  const i = Math.min(Math.floor(v * (COLOURS.length - 1)), COLOURS.length - 2);
  const t = v * (COLOURS.length - 1) - i;
  const [low, high] = [COLOURS[i], COLOURS[i + 1]];
  return [...low.map((channel, c) => channel + t * (high[c] - channel)), 160 * v ** 1.4];
}
