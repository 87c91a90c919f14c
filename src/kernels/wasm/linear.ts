/**
 * Linear forward and delta: sums over features in chunks of 256 (docs/numerics.md §1, §2).
 *
 *   out    [m][32]      per panel, outStride apart        out[j][t] = Σ i packed(i, j) · inp[i][t]
 *   inp    [n][32]      per panel, inpStride apart
 *   packed [group][n][R]  R results a group, the last group narrower
 *
 * The loop in words: for each panel, for each chunk of 256 features, for each group of tokens (a register block's width), for each group of R
 * results: sum the chunk in registers, ascending, from +0; the first chunk is stored, later ones are added to what is stored.
 * So 32 KB of panel stay in the nearest cache while the weights pass by. Tails of m have inner kernels of every smaller width.
 * Not here: packing (pack.ts), the sum over tokens (gradient.ts).
 */
import { f32x4, i32, v128, type Int } from '../assembler/expressions.js';
import type { Callee, FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import { innerLoop, order, positive, type Shape } from './build.js';

type Pointer = Local<'i32'>;

/** One step of a register block: sums[row][v] += left[row] · right[v], with `left` spread over all lanes. */
export const multiplyAdd = (
  f: FunctionBuilder, shape: Shape, rows: number, sums: readonly (readonly Local<'v128'>[])[], left: Pointer, leftOffset: (row: number) => number, right: Pointer,
): void => {
  const x = order(shape, shape.vectors).map((v) => [v, f.v128(`x${v}`, v128.load(right, v * 16))] as const);
  for (const row of order(shape, rows)) {
    const w = f.v128(`w${row}`, v128.load32_splat(left, leftOffset(row)));
    for (const [v, value] of x) {
      const sum = sums[row]![v]!;
      f.set(sum, f32x4.add(sum, f32x4.mul(value, w)));
    }
  }
};

/** The locals of a register block. */
export const registerBlock = (f: FunctionBuilder, shape: Shape, rows: number): Local<'v128'>[][] =>
  Array.from({ length: rows }, (_, row) => Array.from({ length: shape.vectors }, (_, v) => f.v128(`sum${row}.${v}`)));

/** Visits every vector of a register block, row by row; all loads of a row come before its stores. */
export const eachRow = (f: FunctionBuilder, sums: readonly (readonly Local<'v128'>[])[], body: (sum: Local<'v128'>, row: number, v: number) => void): void => {
  sums.forEach((line, row) => line.forEach((sum, v) => body(sum, row, v)));
};

/** sums += block at `from`, in panel rows. */
export const addStored = (f: FunctionBuilder, sums: readonly (readonly Local<'v128'>[])[], from: Pointer): void =>
  eachRow(f, sums, (sum, row, v) => f.set(sum, f32x4.add(v128.load(from, row * panelRowBytes + v * 16), sum)));
export const storeBlock = (f: FunctionBuilder, sums: readonly (readonly Local<'v128'>[])[], to: Pointer): void =>
  eachRow(f, sums, (sum, row, v) => f.store(to, sum, row * panelRowBytes + v * 16));

/** The sum over `count` ≥ 1 features, ascending; uses inp and packed up. */
const sumFeatures = (f: FunctionBuilder, shape: Shape, rows: number, sums: readonly (readonly Local<'v128'>[])[], inp: Pointer, packed: Pointer, count: Pointer): void => {
  innerLoop(f, shape, count, () => {
    multiplyAdd(f, shape, rows, sums, packed, (row) => row * 4, inp);
    f.advance(packed, rows * 4);
    f.advance(inp, panelRowBytes);
  });
};

/** One chunk of `groups` groups of `rows` results for one group of tokens; groups lie `packedStride` apart. */
const chunkKernel = (m: ModuleBuilder, shape: Shape, rows: number): Callee =>
  m.function(`linearChunk${rows}`, { out: 'i32', inp: 'i32', packed: 'i32', packedStride: 'i32', features: 'i32', groups: 'i32', add: 'i32' }, (f, p) => {
    const sums = registerBlock(f, shape, rows);
    const [x, w, left] = [f.i32('x'), f.i32('w'), f.i32('left')];
    f.doWhile(() => {
      eachRow(f, sums, (sum) => f.set(sum, v128.zero()));
      f.set(x, p.inp);
      f.set(w, p.packed);
      f.set(left, p.features);
      sumFeatures(f, shape, rows, sums, x, w, left);
      f.if(p.add, () => addStored(f, sums, p.out));
      storeBlock(f, sums, p.out);
      f.advance(p.out, rows * panelRowBytes);
      f.advance(p.packed, p.packedStride);
      f.set(p.groups, i32.sub(p.groups, 1));
    }, p.groups);
  }, { export: false });

/** A stretch of features inside one chunk, continuing the chunk sum; at the chunk's end it goes into the sum and starts anew. */
const stretchKernel = (m: ModuleBuilder, shape: Shape, rows: number): Callee =>
  m.function(`linearStretch${rows}`, { sum: 'i32', chunk: 'i32', inp: 'i32', packed: 'i32', features: 'i32', ends: 'i32' }, (f, p) => {
    const sums = registerBlock(f, shape, rows);
    eachRow(f, sums, (sum, row, v) => f.set(sum, v128.load(p.chunk, row * panelRowBytes + v * 16)));
    sumFeatures(f, shape, rows, sums, p.inp, p.packed, p.features);
    f.if(p.ends, () => {
      addStored(f, sums, p.sum);
      storeBlock(f, sums, p.sum);
      eachRow(f, sums, (_, row, v) => f.store(p.chunk, v128.zero(), row * panelRowBytes + v * 16));
    }, () => storeBlock(f, sums, p.chunk));
  }, { export: false });

/** Calls `body` for every group width that m leaves as its tail: 1 … R−1. */
export const forTail = (f: FunctionBuilder, shape: Shape, tail: Pointer, body: (rows: number) => void): void => {
  for (let rows = 1; rows < shape.rows; rows++) f.if(i32.eq(tail, rows), () => body(rows));
};

export const defineLinear = (m: ModuleBuilder, shape: Shape): void => {
  const R = shape.rows;
  const tokenBytes = shape.vectors * 16;
  const widths = Array.from({ length: R }, (_, index) => index + 1);
  const chunk = new Map(widths.map((rows) => [rows, chunkKernel(m, shape, rows)]));
  const stretch = new Map(widths.map((rows) => [rows, stretchKernel(m, shape, rows)]));

  /** Emits the product of one panel at inp for the tokens before byte `end` of a row. */
  const panelProduct = (f: FunctionBuilder, p: { readonly [K in 'out' | 'inp' | 'packed' | 'n' | 'm']: Pointer }): ((end: Int) => void) => {
    const [first, features, token, weights] = [f.i32('first'), f.i32('features'), f.i32('token'), f.i32('weights')];
    const groups = f.i32('groups', i32.div_u(p.m, R));
    const tail = f.i32('tail', i32.rem_u(p.m, R));
    const groupBytes = f.i32('groupBytes', i32.mul(p.n, R * 4));
    const [x, y, tailWeights] = [f.i32('x'), f.i32('y'), f.i32('tailWeights')];
    return (end) =>
      f.for(first, 0, p.n, chunkFeatures, () => {
        f.set(features, i32.min_s(i32.sub(p.n, first), i32.const(chunkFeatures)));
        f.set(weights, i32.add(p.packed, i32.mul(first, R * 4)));
        f.for(token, 0, end, tokenBytes, () => {
          f.set(x, i32.add(p.inp, i32.add(i32.mul(first, panelRowBytes), token)));
          f.set(y, i32.add(p.out, token));
          f.if(groups, () => f.call(chunk.get(R)!, y, x, weights, groupBytes, features, groups, first));
          f.if(tail, () => {
            f.advance(y, i32.mul(groups, R * panelRowBytes));
            f.set(tailWeights, i32.add(p.packed, i32.add(i32.mul(groups, groupBytes), i32.mul(first, i32.mul(tail, 4)))));
            forTail(f, shape, tail, (rows) => f.call(chunk.get(rows)!, y, x, tailWeights, 0, features, 1, first));
          });
        });
      });
  };

  m.function('linear', { out: 'i32', outStride: 'i32', inp: 'i32', inpStride: 'i32', packed: 'i32', n: 'i32', m: 'i32', panels: 'i32' }, (f, p) => {
    const product = panelProduct(f, p);
    f.while(positive(p.panels), () => {
      product(panelRowBytes);
      f.advance(p.out, p.outStride);
      f.advance(p.inp, p.inpStride);
      f.set(p.panels, i32.sub(p.panels, 1));
    });
  });

  m.function('linearLanes', { out: 'i32', inp: 'i32', packed: 'i32', n: 'i32', m: 'i32', lanes: 'i32' }, (f, p) => {
    const product = panelProduct(f, p);
    f.set(p.lanes, i32.shl(p.lanes, 2));
    product(p.lanes);
  });

  m.function('linearSegment', { sum: 'i32', chunk: 'i32', inp: 'i32', packed: 'i32', n: 'i32', m: 'i32', first: 'i32', last: 'i32' }, (f, p) => {
    const [end, ends, features, row, rows, token, at] = [f.i32('end'), f.i32('ends'), f.i32('features'), f.i32('row'), f.i32('rows'), f.i32('token'), f.i32('at')];
    // Each round is the part of first … last−1 that lies in one chunk.
    f.while(i32.lt_s(p.first, p.last), () => {
      f.set(end, i32.min_s(p.last, i32.and(i32.add(p.first, chunkFeatures), -chunkFeatures)));
      f.set(features, i32.sub(end, p.first));
      f.set(ends, i32.or(i32.eqz(i32.and(end, chunkFeatures - 1)), i32.eq(end, p.n)));
      f.for(row, 0, p.m, R, () => {
        f.set(rows, i32.min_s(i32.sub(p.m, row), i32.const(R)));
        f.for(token, 0, slabTokens * 4, tokenBytes, () => {
          f.set(at, i32.add(i32.mul(row, panelRowBytes), token));
          for (const width of widths) {
            f.if(i32.eq(rows, width), () =>
              f.call(stretch.get(width)!, i32.add(p.sum, at), i32.add(p.chunk, at), i32.add(p.inp, token),
                i32.add(p.packed, i32.mul(i32.add(i32.mul(row, p.n), i32.mul(p.first, rows)), 4)), features, ends));
          }
        });
      });
      f.advance(p.inp, i32.mul(features, panelRowBytes));
      f.set(p.first, end);
    });
  });

  m.function('addBias', { x: 'i32', stride: 'i32', bias: 'i32', features: 'i32', panels: 'i32' }, (f, p) => {
    const [feature, row] = [f.i32('feature'), f.i32('row')];
    const b = f.v128('b');
    f.while(positive(p.panels), () => {
      f.set(row, p.x);
      f.for(feature, 0, p.features, 1, () => {
        f.set(b, v128.load32_splat(i32.add(p.bias, i32.shl(feature, 2))));
        for (let v = 0; v < slabTokens / 4; v++) f.store(row, f32x4.add(v128.load(row, v * 16), b), v * 16);
        f.advance(row, panelRowBytes);
      });
      f.advance(p.x, p.stride);
      f.set(p.panels, i32.sub(p.panels, 1));
    });
  });
};
