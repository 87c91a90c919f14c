/**
 * Linear forward and delta with sparse weights: only stored positions are terms (docs/numerics.md §1, §2).
 *
 *   out     [m][32]   per panel, outStride apart         out[j][t] = Σ stored (i, j) values · inp[i][t]
 *   inp     [n][32]   per panel, inpStride apart
 *   values, indices   entries in the order chunk ▸ result ▸ feature; an index is a byte offset into the chunk's part of the panel
 *   starts            first entry of (chunk, result)
 *
 * The loop in words: for each panel, for each chunk, for each result: its entries' rows of the panel, all 32 tokens wide, are multiplied and added in
 * registers from +0; the first chunk is stored, later ones are added to what is stored (an empty one adds +0, which changes no sum: it is left out).
 * So 32 KB of panel stay in the nearest cache.
 * Not here: four results at once (sparse-rows.ts), gradients (sparse-gradient.ts), who chooses a form (compiler/).
 */
import { f32x4, i32, v128, type I32 } from '../assembler/expressions.js';
import type { Callee, FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import { order, positive, type Shape } from './build.js';

type Pointer = Local<'i32'>;
type Sums = readonly Local<'v128'>[];
const rowVectors = slabTokens / 4;

const newSums = (f: FunctionBuilder): Local<'v128'>[] => Array.from({ length: rowVectors }, (_, v) => f.v128(`sum${v}`));
const clearSums = (f: FunctionBuilder, sums: Sums): void => sums.forEach((sum) => f.set(sum, v128.zero()));
const addRow = (f: FunctionBuilder, sums: Sums, from: Pointer): void => sums.forEach((sum, v) => f.set(sum, f32x4.add(v128.load(from, v * 16), sum)));
const storeRow = (f: FunctionBuilder, sums: Sums, to: Pointer): void => sums.forEach((sum, v) => f.store(to, sum, v * 16));

/** sums += value · row of the panel. */
const addEntry = (f: FunctionBuilder, shape: Shape, sums: Sums, x: Pointer, value: Pointer): void => {
  const w = f.v128('w', v128.load32_splat(value));
  for (const v of order(shape, rowVectors)) f.set(sums[v]!, f32x4.add(sums[v]!, f32x4.mul(v128.load(x, v * 16), w)));
};

interface Entry {
  readonly index: Pointer;
  readonly value: Pointer;
}

/** The entries in front of `end`, at least one, ascending, from the rows at `inp`. */
const addEntries = (f: FunctionBuilder, shape: Shape, sums: Sums, inp: Pointer, { index, value }: Entry, end: Pointer, x: Pointer): void => {
  const more = i32.ne(index, end);
  const round = (): void => {
    f.set(x, i32.add(inp, i32.load16_u(index)));
    addEntry(f, shape, sums, x, value);
    f.advance(index, 2);
    f.advance(value, 4);
  };
  if (shape.topTested) f.whileTopTested(more, round);
  else f.doWhile(round, more);
};

/** Bytes of a line of the cache. */
const lineBytes = 64;

/** Reads through a chunk of a panel once, in order, as memory likes it: entries go anywhere. Nothing is made of what is read. */
export const touchKernel = (m: ModuleBuilder, name: string): Callee =>
  m.function(`touch${name}`, { x: 'i32', features: 'i32' }, (f, p) => {
    const seen = f.i32('seen');
    f.doWhile(() => {
      for (let line = 0; line < panelRowBytes; line += lineBytes) f.set(seen, i32.load(p.x, line));
      f.advance(p.x, panelRowBytes);
      f.set(p.features, i32.sub(p.features, 1));
    }, p.features);
  }, { export: false });

/** From so many entries to two features on, reading through is cheaper than going there without. */
export const touchFrom = { single: 3, fourRows: 2 } as const;

/** Emits `body` for every chunk of every panel, the chunk's part of the panel (x) read through if it has entries enough; `run`: the chunk's starts of `rows` rows. */
export const overChunks = (
  f: FunctionBuilder, p: { readonly [K in 'out' | 'outStride' | 'inp' | 'inpStride' | 'starts' | 'n' | 'panels']: Pointer }, rows: Pointer, touch: Callee, from: number,
  body: (x: Pointer, run: Pointer, first: Pointer) => void,
): void => {
  const [first, x, run, features, entries] = [f.i32('first'), f.i32('x'), f.i32('run'), f.i32('features'), f.i32('entries')];
  f.while(positive(p.panels), () => {
    f.set(x, p.inp);
    f.set(run, p.starts);
    f.for(first, 0, p.n, chunkFeatures, () => {
      f.set(features, i32.min_s(i32.sub(p.n, first), i32.const(chunkFeatures)));
      f.set(entries, i32.sub(i32.load(i32.add(run, i32.shl(rows, 2))), i32.load(run)));
      f.if(i32.ge_s(i32.shl(entries, 1), i32.mul(features, from)), () => f.call(touch, x, features));
      body(x, run, first);
      f.advance(run, i32.shl(rows, 2));
      f.advance(x, chunkFeatures * panelRowBytes);
    });
    f.advance(p.out, p.outStride);
    f.advance(p.inp, p.inpStride);
    f.set(p.panels, i32.sub(p.panels, 1));
  });
};

const defineStored = (m: ModuleBuilder, shape: Shape): void => {
  const touch = touchKernel(m, 'Stored');
  /** All results of one chunk of one panel. */
  const chunk = m.function('linearStoredChunk', { out: 'i32', inp: 'i32', values: 'i32', indices: 'i32', starts: 'i32', m: 'i32', add: 'i32' }, (f, p) => {
    const index = f.i32('index', i32.add(p.indices, i32.shl(i32.load(p.starts), 1)));
    const value = f.i32('value', i32.add(p.values, i32.shl(i32.load(p.starts), 2)));
    const sums = newSums(f);
    const [end, x] = [f.i32('end'), f.i32('x')];
    f.doWhile(() => {
      f.advance(p.starts, 4);
      f.set(end, i32.add(p.indices, i32.shl(i32.load(p.starts), 1)));
      clearSums(f, sums);
      f.if(i32.ne(index, end), () => {
        addEntries(f, shape, sums, p.inp, { index, value }, end, x);
        f.if(p.add, () => addRow(f, sums, p.out));
        storeRow(f, sums, p.out);
      }, () => f.if(i32.eqz(p.add), () => storeRow(f, sums, p.out)));
      f.advance(p.out, panelRowBytes);
      f.set(p.m, i32.sub(p.m, 1));
    }, p.m);
  }, { export: false });

  m.function('linearStored', {
    out: 'i32', outStride: 'i32', inp: 'i32', inpStride: 'i32', values: 'i32', indices: 'i32', starts: 'i32', n: 'i32', m: 'i32', panels: 'i32',
  }, (f, p) => {
    overChunks(f, p, p.m, touch, touchFrom.single, (x, run, first) => f.call(chunk, p.out, x, p.values, p.indices, run, p.m, first));
  });
};

/** The entries of a run whose offset lies in low … high−1, continuing the chunk's sums; at the chunk's end they go into the sum and start anew. */
const stretchKernel = (m: ModuleBuilder, shape: Shape): Callee =>
  m.function('linearStoredStretch', { sum: 'i32', chunk: 'i32', inp: 'i32', value: 'i32', index: 'i32', end: 'i32', low: 'i32', high: 'i32', ends: 'i32' }, (f, p) => {
    const sums = newSums(f);
    const [offset, x] = [f.i32('offset'), f.i32('x')];
    const inside: I32 = i32.and(i32.ge_s(offset, p.low), i32.lt_s(offset, p.high));
    sums.forEach((sum, v) => f.set(sum, v128.load(p.chunk, v * 16)));
    f.while(i32.ne(p.index, p.end), () => {
      f.set(offset, i32.load16_u(p.index));
      f.if(inside, () => {
        f.set(x, i32.add(p.inp, i32.sub(offset, p.low)));
        addEntry(f, shape, sums, x, p.value);
      });
      f.advance(p.index, 2);
      f.advance(p.value, 4);
    });
    f.if(p.ends, () => {
      addRow(f, sums, p.sum);
      storeRow(f, sums, p.sum);
      clearSums(f, sums);
    });
    storeRow(f, sums, p.chunk);
  }, { export: false });

const defineSegment = (m: ModuleBuilder, shape: Shape): void => {
  const stretch = stretchKernel(m, shape);
  m.function('linearStoredSegment', {
    sum: 'i32', chunk: 'i32', inp: 'i32', values: 'i32', indices: 'i32', starts: 'i32', n: 'i32', m: 'i32', first: 'i32', last: 'i32',
  }, (f, p) => {
    const [edge, end, ends, row, run, at, low, high] = [f.i32('edge'), f.i32('end'), f.i32('ends'), f.i32('row'), f.i32('run'), f.i32('at'), f.i32('low'), f.i32('high')];
    // Each round is the part of first … last−1 that lies in one chunk.
    f.while(i32.lt_s(p.first, p.last), () => {
      f.set(edge, i32.and(p.first, -chunkFeatures));
      f.set(end, i32.min_s(p.last, i32.add(edge, chunkFeatures)));
      f.set(ends, i32.or(i32.eqz(i32.and(end, chunkFeatures - 1)), i32.eq(end, p.n)));
      f.set(low, i32.mul(i32.sub(p.first, edge), panelRowBytes));
      f.set(high, i32.mul(i32.sub(end, edge), panelRowBytes));
      f.set(run, i32.add(p.starts, i32.mul(i32.mul(i32.shr_u(edge, 8), p.m), 4)));
      f.for(row, 0, p.m, 1, () => {
        f.set(at, i32.mul(row, panelRowBytes));
        f.call(stretch, i32.add(p.sum, at), i32.add(p.chunk, at), p.inp, i32.add(p.values, i32.shl(i32.load(run), 2)),
          i32.add(p.indices, i32.shl(i32.load(run), 1)), i32.add(p.indices, i32.shl(i32.load(run, 4), 1)), low, high, ends);
        f.advance(run, 4);
      });
      f.advance(p.inp, i32.sub(high, low));
      f.set(p.first, end);
    });
  });
};

export const defineSparseLinear = (m: ModuleBuilder, shape: Shape): void => {
  defineStored(m, shape);
  defineSegment(m, shape);
};
