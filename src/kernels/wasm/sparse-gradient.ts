/**
 * The gradient of a linear block at its stored positions (docs/numerics.md §1, §2).
 *
 *   panels [features][32] of four slabs ─quad─▶ [features][32][4]
 *   x quad [n][32][4], dy quad [m][32][4]       leaf s [e] = Σ t x[feature e][t][s] · dy[result e][t][s], ascending from +0
 *
 * The loop in words: for each chunk, for each row (a result, or a group of four), for a few of its entries at once: a lane is a slab, so the sums of
 * four slabs run side by side; then 4 × 4 transposes turn four sums × four slabs into rows of leaves. The last entries of a row are filled up with
 * its last one; what is written too far is written again by the next row. Not here: the tree above (cluster/), dense gradients (gradient.ts).
 */
import { f32, f32x4, i32, i32x4, v128, type I32, type V128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import { innerLoop, order, positive, transpose4, type Shape } from './build.js';

type Pointer = Local<'i32'>;
type Vector = Local<'v128'>;
type Four = [Vector, Vector, Vector, Vector];
const lanes = [0, 1, 2, 3] as const;
const quadRowBytes = 4 * panelRowBytes;
const tokenBytes = 16;
/** Tokens in a round of the inner loop. */
const unroll = 2;
/** Entries of a row at once, as many independent sums: eight where the compiler leaves loads beside their uses. */
const entriesAtOnceOf = (shape: Shape): number => (shape.topTested ? 4 : 8);
/** The same where four results share an entry: 8 sums, and 6 loads a token. */
const rowEntriesAtOnce = 2, rowUnroll = 1;

const defineQuad = (m: ModuleBuilder): void => {
  m.function('quad', { dst: 'i32', src: 'i32', srcStride: 'i32', features: 'i32', slabs: 'i32' }, (f, p) => {
    const end = f.i32('end', i32.add(p.dst, i32.mul(p.features, quadRowBytes)));
    const at = lanes.map((s) => f.i32(`panel${s}`, i32.add(p.src, i32.mul(p.srcStride, s))));
    const lines = lanes.map((s) => f.v128(`line${s}`)) as Four;
    const rounds = (slabs: number): void =>
      f.while(i32.ne(p.dst, end), () => {
        for (const s of lanes) f.set(lines[s], s < slabs ? v128.load(at[s]!) : v128.zero());
        transpose4(f, lines, 'block').forEach((column, t) => f.store(p.dst, column, t * 16));
        for (const s of lanes.slice(0, slabs)) f.advance(at[s]!, 16);
        f.advance(p.dst, 64);
      });
    for (const slabs of [1, 2, 3, 4]) f.if(i32.eq(p.slabs, slabs), () => rounds(slabs));
  });
};

const signature = {
  dst: 'i32', dstStride: 'i32', x: 'i32', dy: 'i32', indices: 'i32', starts: 'i32', n: 'i32', m: 'i32', tokens: 'i32', slabs: 'i32', merged: 'i32',
} as const;
type Arguments = { readonly [K in keyof typeof signature]: Pointer };

/**
 * The tokens of four slabs: a loop over those that all of them have, then one by one over those that some have. `round(tokens)` adds that many tokens of whole
 * lanes and `masked(mask)` one token of some; both leave it to `advance` to go on.
 */
const tokenLoops = (f: FunctionBuilder, shape: Shape, p: Arguments, unroll: number) => {
  const count = f.i32('tokens of a slab');
  const [common, most] = [f.i32('common', slabTokens), f.i32('most', 0)];
  for (const s of lanes) {
    f.if(i32.gt_s(p.slabs, s), () => {
      f.set(count, i32.and(i32.shr_u(p.tokens, 8 * s), 255));
      f.set(common, i32.min_s(common, count));
      f.set(most, i32.sub(count, i32.min_s(i32.sub(count, most), i32.const(0))));
    });
  }
  const bytes = f.v128('bytes', i32x4.lanes(0xff, 0xff_00, 0xff_00_00, 0x7f_00_00_00));
  const limit = f.v128('limit', v128.and(i32x4.splat(p.tokens), bytes));
  const rounds = f.i32('rounds', i32.div_u(common, unroll));
  const [left, token] = [f.i32('left'), f.i32('token')];
  const now = f.v128('now');
  return (add: (offset: number, mask: Vector | null) => void, advance: (bytes: number) => void): void => {
    f.if(rounds, () => {
      f.set(left, rounds);
      innerLoop(f, shape, left, () => {
        for (let t = 0; t < unroll; t++) add(t * tokenBytes, null);
        advance(unroll * tokenBytes);
      });
    });
    f.for(token, i32.mul(rounds, unroll), most, 1, () => {
      f.set(now, i32x4.gt_s(limit, v128.and(i32x4.splat(i32.mul(token, 0x01_01_01_01)), bytes)));
      add(0, now);
      advance(tokenBytes);
    });
  };
};

/** A product that is no term becomes +0: no sum from +0 changes by it. */
const addTerm = (f: FunctionBuilder, sum: Vector, x: V128, dy: V128, mask: Vector | null): void =>
  f.set(sum, f32x4.add(sum, mask === null ? f32x4.mul(x, dy) : v128.and(f32x4.mul(x, dy), mask)));

/** Leaves of four places in a row go to `to` (merged, or a row for each slab), as far as they lie in front of `room` bytes. */
const leave = (f: FunctionBuilder, p: Arguments, sums: Four, to: Pointer, room: I32): void => {
  const leaves = transpose4(f, sums, 'leaves') as Four;
  const [at, left] = [f.i32('leaves to'), f.i32('room', room)];
  const store = (address: Pointer, value: Vector): void =>
    f.if(i32.ge_s(left, 16), () => f.store(address, value), () => {
      for (const lane of lanes) f.if(i32.gt_s(left, lane * 4), () => f.storeLane(address, value, lane, lane * 4));
    });
  f.if(p.merged, () => store(to, f.v128('merged', f32x4.add(f32x4.add(leaves[0], leaves[1]), f32x4.add(leaves[2], leaves[3])))), () => {
    f.set(at, to);
    for (const s of lanes) {
      f.if(i32.gt_s(p.slabs, s), () => store(at, leaves[s]));
      f.advance(at, p.dstStride);
    }
  });
};

/** How many entries there are: the last of starts. */
const entriesIn = (p: Arguments, rows: Pointer): I32 => i32.load(i32.add(p.starts, i32.shl(i32.mul(i32.shr_u(i32.add(p.n, chunkFeatures - 1), 8), rows), 2)));

const defineStored = (m: ModuleBuilder, shape: Shape): void => {
  m.function('gradientStored', signature, (f, p) => {
    const overTokens = tokenLoops(f, shape, p, unroll);
    const [first, row, y, last, left, room] = [f.i32('first'), f.i32('row'), f.i32('y'), f.i32('last'), f.i32('entries left'), f.i32('room left')];
    const entriesAtOnce = entriesAtOnceOf(shape);
    const all = Array.from({ length: entriesAtOnce }, (_, e) => e);
    const at = all.map((e) => f.i32(`x${e}`));
    const sums = all.map((e) => f.v128(`sum${e}`));
    /** The next `count` entries of the row; the last four may be fewer. */
    const entries = (count: number): void => {
      if (count === 4) f.set(last, i32.sub(left, 1));
      for (const e of all.slice(0, count)) {
        const entry = e === 0 || count > 4 ? i32.const(e) : i32.min_s(last, i32.const(e));
        f.set(at[e]!, i32.add(p.x, i32.shl(i32.load16_u(i32.add(p.indices, i32.shl(entry, 1))), 2)));
        f.set(sums[e]!, v128.zero());
      }
      f.set(y, i32.add(p.dy, i32.mul(row, quadRowBytes)));
      overTokens((offset, mask) => {
        const d = f.v128('d', v128.load(y, offset));
        for (const e of order(shape, count)) addTerm(f, sums[e]!, v128.load(at[e]!, offset), d, mask);
      }, (bytes) => {
        f.advance(y, bytes);
        for (const x of at.slice(0, count)) f.advance(x, bytes);
      });
      for (let e = 0; e < count; e += 4) {
        leave(f, p, sums.slice(e, e + 4) as Four, p.dst, room);
        f.set(last, i32.min_s(left, i32.const(4)));
        f.set(left, i32.sub(left, last));
        f.advance(p.indices, i32.shl(last, 1));
        f.advance(p.dst, i32.shl(last, 2));
        f.set(room, i32.sub(room, i32.shl(last, 2)));
      }
    };
    f.set(room, i32.shl(entriesIn(p, p.m), 2));
    f.for(first, 0, p.n, chunkFeatures, () => {
      f.for(row, 0, p.m, 1, () => {
        f.set(left, i32.sub(i32.load(p.starts, 4), i32.load(p.starts)));
        f.advance(p.starts, 4);
        if (entriesAtOnce > 4) f.while(i32.ge_s(left, entriesAtOnce), () => entries(entriesAtOnce));
        f.while(positive(left), () => entries(4));
      });
      f.advance(p.x, chunkFeatures * quadRowBytes);
    });
  });
};

const defineFourRow = (m: ModuleBuilder, shape: Shape): void => {
  m.function('gradientFourRow', signature, (f, p) => {
    const overTokens = tokenLoops(f, shape, p, rowUnroll);
    const [first, row, y, left] = [f.i32('first'), f.i32('row'), f.i32('y'), f.i32('entries left')];
    const groups = f.i32('groups', i32.shr_u(p.m, 2));
    const at = Array.from({ length: rowEntriesAtOnce }, (_, e) => f.i32(`x${e}`));
    const sums = at.map((_, e) => lanes.map((r) => f.v128(`sum${e}.${r}`)) as Four);
    /** The next `count` entries of the group. */
    const entries = (count: number): void => {
      const [xs, own] = [at.slice(0, count), sums.slice(0, count)];
      for (const [e, x] of xs.entries()) f.set(x, i32.add(p.x, i32.shl(i32.load16_u(p.indices, 2 * e), 2)));
      f.set(y, i32.add(p.dy, i32.mul(row, 4 * quadRowBytes)));
      for (const sum of own.flat()) f.set(sum, v128.zero());
      overTokens((offset, mask) => {
        const values = xs.map((x, e) => f.v128(`value${e}`, v128.load(x, offset)));
        for (const r of order(shape, 4)) {
          const d = f.v128('d', v128.load(y, offset + r * quadRowBytes));
          for (const [e, value] of values.entries()) addTerm(f, own[e]![r]!, value, d, mask);
        }
      }, (bytes) => {
        for (const pointer of [y, ...xs]) f.advance(pointer, bytes);
      });
      for (const four of own) {
        leave(f, p, four, p.dst, i32.const(16));
        f.advance(p.dst, 16);
      }
      f.set(left, i32.sub(left, count));
      f.advance(p.indices, 2 * count);
    };
    f.for(first, 0, p.n, chunkFeatures, () => {
      f.for(row, 0, groups, 1, () => {
        f.set(left, i32.sub(i32.load(p.starts, 4), i32.load(p.starts)));
        f.advance(p.starts, 4);
        f.while(i32.ge_s(left, rowEntriesAtOnce), () => entries(rowEntriesAtOnce));
        f.if(left, () => entries(1));
      });
      f.advance(p.x, chunkFeatures * quadRowBytes);
    });
  });
};

const defineSegment = (m: ModuleBuilder): void => {
  m.function('gradientStoredSegment', {
    acc: 'i32', x: 'i32', dy: 'i32', indices: 'i32', starts: 'i32', n: 'i32', m: 'i32', first: 'i32', last: 'i32', firstToken: 'i32', lastToken: 'i32',
  }, (f, p) => {
    const [edge, row, y, entry, end, feature, at, left] = [f.i32('edge'), f.i32('row'), f.i32('y'), f.i32('entry'), f.i32('end'), f.i32('feature'), f.i32('at'), f.i32('left')];
    const [d, to] = [f.i32('d'), f.i32('to')];
    const sum = f.f32('sum');
    const tokens = f.i32('tokens', i32.sub(p.lastToken, p.firstToken));
    f.advance(p.x, i32.sub(i32.shl(p.firstToken, 2), i32.mul(p.first, panelRowBytes)));
    f.advance(p.dy, i32.shl(p.firstToken, 2));
    f.if(positive(tokens), () => f.for(edge, 0, p.n, chunkFeatures, () => {
      f.set(y, p.dy);
      f.for(row, 0, p.m, 1, () => {
        f.set(end, i32.load(p.starts, 4));
        f.for(entry, i32.load(p.starts), end, 1, () => {
          f.set(feature, i32.add(edge, i32.shr_u(i32.load16_u(i32.add(p.indices, i32.shl(entry, 1))), 7)));
          f.if(i32.and(i32.ge_s(feature, p.first), i32.lt_s(feature, p.last)), () => {
            f.set(to, i32.add(p.acc, i32.shl(entry, 2)));
            f.set(sum, f32.load(to));
            f.set(at, i32.add(p.x, i32.mul(feature, panelRowBytes)));
            f.set(d, y);
            f.set(left, tokens);
            f.doWhile(() => {
              f.set(sum, f32.add(sum, f32.mul(f32.load(at), f32.load(d))));
              f.advance(at, 4);
              f.advance(d, 4);
              f.set(left, i32.sub(left, 1));
            }, left);
            f.storeF32(to, sum);
          });
        });
        f.advance(p.starts, 4);
        f.advance(y, panelRowBytes);
      });
    }));
  });
};

export const defineSparseGradient = (m: ModuleBuilder, shape: Shape): void => {
  defineQuad(m);
  defineStored(m, shape);
  defineFourRow(m, shape);
  defineSegment(m);
};
