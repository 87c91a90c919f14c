/**
 * Embedding: rows of a table into panels, and the leaf of its gradient (docs/numerics.md §5).
 *
 *   table [vocabulary][dim], ids i32[32][context]  ─gather─▶  panel [context · dim][32], lanes beyond the tokens +0
 *   turned [32][width], slots i32[32][context]     ─leaf───▶  rows [slot][dim], terms ascending by token, then by context position
 *
 * Not here: which rows a slab needs and their slots (the input), the tree over slabs (whoever holds the leaves).
 */
import { f32, f32x4, i32 } from '../assembler/expressions.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { panelRowBytes } from '../types.js';
import { overFloats } from './build.js';

export const defineEmbedding = (m: ModuleBuilder): void => {
  m.function('embeddingGather', { dst: 'i32', table: 'i32', ids: 'i32', context: 'i32', dim: 'i32', tokens: 'i32' }, (f, p) => {
    const [token, position, to, from, left] = [f.i32('token'), f.i32('position'), f.i32('to'), f.i32('from'), f.i32('left')];
    const rowBytes = f.i32('rowBytes', i32.shl(p.dim, 2));
    f.memoryFill(p.dst, 0, i32.mul(i32.mul(p.context, p.dim), panelRowBytes));
    f.for(token, 0, p.tokens, 1, () => {
      f.set(to, i32.add(p.dst, i32.shl(token, 2)));
      f.for(position, 0, p.context, 1, () => {
        f.set(from, i32.add(p.table, i32.mul(i32.load(p.ids), rowBytes)));
        f.advance(p.ids, 4);
        f.for(left, 0, p.dim, 1, () => {
          f.storeF32(to, f32.load(from));
          f.advance(from, 4);
          f.advance(to, panelRowBytes);
        });
      });
    });
  });

  m.function('embeddingLeaf', { rows: 'i32', turned: 'i32', slots: 'i32', context: 'i32', dim: 'i32', width: 'i32', tokens: 'i32' }, (f, p) => {
    const [token, position, row, from, left] = [f.i32('token'), f.i32('position'), f.i32('row'), f.i32('from'), f.i32('left')];
    const rowBytes = f.i32('rowBytes', i32.shl(p.dim, 2));
    f.for(token, 0, p.tokens, 1, () => {
      f.set(from, p.turned);
      f.for(position, 0, p.context, 1, () => {
        f.set(row, i32.add(p.rows, i32.mul(i32.load(p.slots), rowBytes)));
        f.advance(p.slots, 4);
        f.set(left, p.dim);
        overFloats(f, [row, from], left, (load, store) => store(row, f32x4.add(load(row), load(from))));
      });
      f.advance(p.turned, i32.shl(p.width, 2));
    });
  });
};
