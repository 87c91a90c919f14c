/**
 * Draws the wafer: a pixel a tile, coloured by the ramp, scaled to the room there is. Not here: what a tile's number is (wafer-map.ts).
 */
import { ticks } from './format.js';
import { rampBytes, type Scheme } from './palette.js';
import { brush, canvasFont } from './parts.js';
import type { Extent } from './wafer-map.js';

export interface WaferBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const gutter = { left: 46, top: 8, bottom: 36, right: 4 };

/** Room for the tiles inside `width` CSS pixels, with the proportions of the rectangle and at most so high. */
export const boxOf = (columns: number, rows: number, width: number, heightMax = 620): WaferBox => {
  const room = Math.max(40, width - gutter.left - gutter.right);
  const scale = Math.min(room / columns, heightMax / rows, 48);
  // A rectangle that is much flatter than high still needs pixels to point at.
  return { left: gutter.left, top: gutter.top, width: Math.max(8, Math.round(columns * scale)), height: Math.max(8, Math.round(rows * scale)) };
};

export const canvasHeight = (box: WaferBox): number => box.top + box.height + gutter.bottom;

const levels = 512;

/** A pixel a tile; what lies beyond an end of the ramp has that end's colour. */
export const tilesImage = (columns: number, rows: number, at: (column: number, row: number) => number, { min, max }: Pick<Extent, 'min' | 'max'>, scheme: Scheme): HTMLCanvasElement => {
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d'), ramp = rampBytes(scheme.ramp, levels), pixels = new Uint8ClampedArray(columns * rows * 4), scale = max > min ? (levels - 1) / (max - min) : 0;
  const colours = new Uint32Array(ramp.buffer), out = new Uint32Array(pixels.buffer);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) out[row * columns + column] = colours[Math.max(0, Math.min(levels - 1, Math.round((at(column, row) - min) * scale)))] as number;
  context?.putImageData(new ImageData(pixels, columns, rows), 0, 0);
  return canvas;
};

export interface Tile {
  readonly column: number;
  readonly row: number;
}

export const tileAt = (box: WaferBox, columns: number, rows: number, x: number, y: number): Tile | null => {
  const column = Math.floor(((x - box.left) / box.width) * columns), row = Math.floor(((y - box.top) / box.height) * rows);
  return column < 0 || row < 0 || column >= columns || row >= rows ? null : { column, row };
};

export const drawWafer = (canvas: HTMLCanvasElement, width: number, box: WaferBox, columns: number, rows: number, image: HTMLCanvasElement, scheme: Scheme, chosen: Tile | null): void => {
  const context = brush(canvas, width, canvasHeight(box));
  if (context === null) return;
  context.imageSmoothingEnabled = columns > box.width;
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, box.left, box.top, box.width, box.height);
  context.strokeStyle = scheme.line;
  context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
  context.fillStyle = scheme.muted;
  context.font = canvasFont(11);
  context.textBaseline = 'middle';
  context.textAlign = 'center';
  const [wide, high] = [box.width / columns, box.height / rows];
  const whole = (count: number, most: number): readonly number[] => ticks(0, count - 1, most).filter(Number.isInteger);
  for (const column of whole(columns, Math.max(1, box.width / 52))) context.fillText(String(column), box.left + (column + 0.5) * wide, box.top + box.height + 11);
  context.fillText(box.width < 44 ? 'col' : 'column', box.left + box.width / 2, box.top + box.height + 27);
  context.textAlign = 'right';
  for (const row of whole(rows, Math.max(1, box.height / 40))) context.fillText(String(row), box.left - 7, box.top + (row + 0.5) * high);
  context.save();
  context.translate(8, box.top + box.height / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = 'center';
  if (box.height >= 30) context.fillText('row', 0, 0);
  context.restore();
  if (chosen === null) return;
  const size = [Math.max(9, wide), Math.max(9, high)] as const, middle = [box.left + (chosen.column + 0.5) * wide, box.top + (chosen.row + 0.5) * high] as const;
  for (const [line, colour] of [[4, scheme.surface], [2, scheme.text]] as const) {
    context.lineWidth = line;
    context.strokeStyle = colour;
    context.strokeRect(middle[0] - size[0] / 2, middle[1] - size[1] / 2, size[0], size[1]);
  }
};
