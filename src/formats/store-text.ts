/** A store of a training's state as lines for a terminal: what it is about, its steps, shards and pieces. Not here: reading it (storage/look.ts). */
import type { StoreDescription } from '../storage/look.js';
import { formatBytes } from '../util/units.js';
import { count, grouped, printable, table } from './lines.js';

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const shown = (value: unknown): string => printable(typeof value === 'string' ? value : JSON.stringify(value));

/** No line break at the end. */
export const textOfStore = ({ manifest, paths, steps }: StoreDescription): string => {
  const { about, shards, pieces } = manifest, fields = Object.entries(about);
  return [
    `store of ${count(shards.length, 'shard')}: ${steps.length === 0 ? 'nothing committed yet' : `committed step${steps.length === 1 ? '' : 's'} ${steps.map(grouped).join(' and ')}`}`,
    '',
    ...(fields.length === 0 ? [] : [...table(fields.map(([key, value]) => [printable(key), shown(value)]), []), '']),
    ...table([
      ['shard', 'blocks', 'state', 'scratch', 'file'],
      ...shards.map(({ blocks, scratchBytes }, i) => [String(i), grouped(blocks.length), formatBytes(sum(blocks)), formatBytes(scratchBytes), printable(paths[i] ?? '')]),
    ], [0, 1, 2, 3]),
    '',
    ...(pieces.length === 0 ? [] : [...table([['piece', 'size', 'parts'], ...pieces.map(({ name, bytes, parts }) => [printable(name), formatBytes(bytes), grouped(parts.length)])], [1, 2]), '']),
    `${count(pieces.length, 'piece')}, ${formatBytes(sum(shards.map(({ blocks }) => sum(blocks))))} of state, kept twice`,
  ].join('\n');
};
