/**
 * LayerNorm and RMSNorm on one panel [features][32], in passes (docs/numerics.md §10).
 *
 *   x ─featureSum─▶ sum ─divideRow─▶ mean ─featureSquares─▶ sum ─rootRow─▶ rstd        x, stats ─normApply─▶ y
 *   x, d, stats ─normDeltaSums─▶ two sums ─divideRow─▶ a, b ─normDelta─▶ dx
 *
 * Tokens are lanes. A pass takes blocks of 64 features, which the nearest cache holds, and inside a block so many vectors of tokens side by side that their
 * running sums and the rows of statistics stay in registers. Not here: gradients of gain and bias (norm-leaves.ts).
 */
import { f32x4, i32, v128, type I32, type V128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { chunkFeatures, panelRowBytes, slabTokens } from '../types.js';
import { positive } from './build.js';

const { add, sub, mul, div, sqrt } = f32x4;
type Pointer = Local<'i32'>;
type Lanes = Local<'v128'>;

const blockFeatures = 64;
const rowOffsets = Array.from({ length: slabTokens / 4 }, (_, v) => v * 16);
const zip = <T>(locals: readonly Lanes[], value: (v: number) => T): T[] => locals.map((_, v) => value(v));

/** What a pass walks over, feature by feature: panels (a row of 32 each) and vectors of parameters (one float each). */
interface Streams {
  readonly panels: readonly Pointer[];
  readonly parameters: readonly Pointer[];
}
/** One group of vectors side by side, while a block is walked: where they are in a row, and the walking pointers by those given. */
interface Group {
  readonly offset: Pointer;
  readonly loadRow: (row: Pointer, into: readonly Lanes[]) => void;
  readonly load: (panel: Pointer, v: number) => V128;
  readonly store: (panel: Pointer, values: readonly Lanes[]) => void;
  readonly parameter: (of: Pointer) => V128;
}
interface Block {
  readonly streams: Streams;
  /** Vectors side by side. */
  readonly vectors: number;
  /** Before the first feature of a block, for each group. */
  readonly before: (group: Group) => void;
  readonly feature: (group: Group) => void;
  readonly after?: (group: Group) => void;
}

/** Emits a pass over one block of `count` ≥ 1 features; the returned statement moves the streams behind it. */
const blockPass = (f: FunctionBuilder, { streams: { panels, parameters }, vectors, before, feature, after }: Block): ((count: Pointer) => void) => {
  const walking = new Map([...panels, ...parameters].map((pointer) => [pointer, f.i32(`${pointer.name} walking`)]));
  const at = (pointer: Pointer): Pointer => walking.get(pointer)!;
  const [offset, left, address] = [f.i32('offset'), f.i32('left'), f.i32('address')];
  const group: Group = {
    offset,
    loadRow: (row, into) => {
      f.set(address, i32.add(row, offset));
      into.forEach((local, v) => f.set(local, v128.load(address, v * 16)));
    },
    load: (panel, v) => v128.load(at(panel), v * 16),
    store: (panel, values) => values.forEach((value, v) => f.store(at(panel), value, v * 16)),
    parameter: (of) => v128.load32_splat(at(of)),
  };
  return (count) => {
    f.for(offset, 0, panelRowBytes, vectors * 16, () => {
      for (const panel of panels) f.set(at(panel), i32.add(panel, offset));
      for (const parameter of parameters) f.set(at(parameter), parameter);
      f.set(left, count);
      before(group);
      f.doWhile(() => {
        feature(group);
        for (const panel of panels) f.advance(at(panel), panelRowBytes);
        for (const parameter of parameters) f.advance(at(parameter), 4);
        f.set(left, i32.sub(left, 1));
      }, left);
      after?.(group);
    });
    for (const panel of panels) f.advance(panel, i32.mul(count, panelRowBytes));
    for (const parameter of parameters) f.advance(parameter, i32.shl(count, 2));
  };
};

/** A pass without sums over `features`, which it uses up. */
const overFeatures = (f: FunctionBuilder, features: Pointer, block: Block): void => {
  const count = f.i32('count');
  const pass = blockPass(f, block);
  f.while(positive(features), () => {
    f.set(count, i32.min_s(features, i32.const(blockFeatures)));
    pass(count);
    f.set(features, i32.sub(features, count));
  });
};

interface Running {
  readonly sum: Pointer;
  readonly chunk: Pointer;
}
interface Sums extends Omit<Block, 'feature' | 'after'> {
  readonly running: readonly Running[];
  /** The terms of one feature: for each sum, its vectors. */
  readonly terms: (group: Group) => readonly (readonly V128[])[];
}
interface Range {
  readonly first: Pointer;
  readonly features: Pointer;
  readonly all: Pointer;
}

/** A pass with running sums over features first … first+features of `all`; uses `first` up. */
const sumOver = (f: FunctionBuilder, { first, features, all }: Range, { running, terms, ...block }: Sums): void => {
  const [last, end, ends, count, sumAt] = [f.i32('last', i32.add(first, features)), f.i32('end'), f.i32('ends'), f.i32('count'), f.i32('sumAt')];
  const chunks = running.map(() => Array.from({ length: block.vectors }, (_, v) => f.v128(`chunk${v}`)));
  const pass = blockPass(f, {
    ...block,
    before: (group) => {
      block.before(group);
      running.forEach(({ chunk }, s) => group.loadRow(chunk, chunks[s]!));
    },
    feature: (group) => {
      terms(group).forEach((values, s) => values.forEach((value, v) => f.set(chunks[s]![v]!, add(chunks[s]![v]!, value))));
    },
    after: ({ offset }) => running.forEach(({ sum, chunk }, s) => {
      f.if(ends, () => {
        f.set(sumAt, i32.add(sum, offset));
        const totals = chunks[s]!.map((local, v) => f.v128('total', add(v128.load(sumAt, v * 16), local)));
        totals.forEach((total, v) => f.store(sumAt, total, v * 16));
        for (const local of chunks[s]!) f.set(local, v128.zero());
      });
      f.set(sumAt, i32.add(chunk, offset));
      chunks[s]!.forEach((local, v) => f.store(sumAt, local, v * 16));
    }),
  });
  f.while(i32.lt_s(first, last), () => {
    f.set(end, i32.min_s(last, i32.and(i32.add(first, blockFeatures), -blockFeatures)));
    f.set(ends, isChunkEnd(end, all));
    f.set(count, i32.sub(end, first));
    pass(count);
    f.set(first, end);
  });
};
const isChunkEnd = (end: Pointer, all: Pointer): I32 => i32.or(i32.eqz(i32.and(end, chunkFeatures - 1)), i32.eq(end, all));

const locals = (f: FunctionBuilder, name: string, count: number): Lanes[] => Array.from({ length: count }, (_, v) => f.v128(`${name}${v}`));

/** Statistics of a group: the mean row and, one row behind it, 1 / deviation. */
const statistics = (f: FunctionBuilder, stats: Pointer, vectors: number) => {
  const mean = locals(f, 'mean', vectors), rstd = locals(f, 'rstd', vectors);
  const rstdRow = f.i32('rstdRow', i32.add(stats, panelRowBytes));
  const load = (group: Group): void => {
    group.loadRow(stats, mean);
    group.loadRow(rstdRow, rstd);
  };
  return { load, of: (x: V128, v: number): V128 => mul(sub(x, mean[v]!), rstd[v]!), rstd };
};

const defineSums = (m: ModuleBuilder): void => {
  m.function('featureSum', { sum: 'i32', chunk: 'i32', x: 'i32', first: 'i32', features: 'i32', all: 'i32' }, (f, p) => {
    const vectors = rowOffsets.length;
    sumOver(f, p, {
      streams: { panels: [p.x], parameters: [] }, vectors, running: [p], before: () => {},
      terms: ({ load }) => [rowOffsets.map((_, v) => load(p.x, v))],
    });
  });
  m.function('featureSquares', { sum: 'i32', chunk: 'i32', x: 'i32', mean: 'i32', first: 'i32', features: 'i32', all: 'i32' }, (f, p) => {
    const mean = locals(f, 'mean', 4);
    sumOver(f, p, {
      streams: { panels: [p.x], parameters: [] }, vectors: mean.length, running: [p], before: ({ loadRow }) => loadRow(p.mean, mean),
      terms: ({ load }) => {
        const apart = mean.map((local, v) => f.v128('apart', sub(load(p.x, v), local)));
        return [apart.map((value) => mul(value, value))];
      },
    });
  });
  m.function('normDeltaSums', {
    sumA: 'i32', chunkA: 'i32', sumB: 'i32', chunkB: 'i32', x: 'i32', d: 'i32', stats: 'i32', gain: 'i32', first: 'i32', features: 'i32', all: 'i32',
  }, (f, p) => {
    const vectors = 2;
    const stats = statistics(f, p.stats, vectors);
    const gain = f.v128('gain');
    sumOver(f, p, {
      streams: { panels: [p.x, p.d], parameters: [p.gain] }, vectors, before: stats.load,
      running: [{ sum: p.sumA, chunk: p.chunkA }, { sum: p.sumB, chunk: p.chunkB }],
      terms: ({ load, parameter }) => {
        f.set(gain, parameter(p.gain));
        const dh = zip(stats.rstd, (v) => f.v128('dh', mul(load(p.d, v), gain)));
        const along = zip(stats.rstd, (v) => mul(dh[v]!, stats.of(load(p.x, v), v)));
        return [dh, along];
      },
    });
  });
};

const defineRows = (m: ModuleBuilder): void => {
  m.function('divideRow', { out: 'i32', sum: 'i32', all: 'f32' }, (f, p) => {
    const all = f.v128('all lanes', f32x4.splat(p.all));
    const values = rowOffsets.map((at) => f.v128('value', div(v128.load(p.sum, at), all)));
    rowOffsets.forEach((at, v) => f.store(p.out, values[v]!, at));
  });
  m.function('rootRow', { rstd: 'i32', sum: 'i32', all: 'f32', epsilon: 'f32' }, (f, p) => {
    const all = f.v128('all lanes', f32x4.splat(p.all)), epsilon = f.v128('epsilon lanes', f32x4.splat(p.epsilon));
    const values = rowOffsets.map((at) => f.v128('value', div(f.lanes(1), sqrt(add(div(v128.load(p.sum, at), all), epsilon)))));
    rowOffsets.forEach((at, v) => f.store(p.rstd, values[v]!, at));
  });
};

const defineByElement = (m: ModuleBuilder): void => {
  m.function('normApply', { y: 'i32', x: 'i32', stats: 'i32', gain: 'i32', bias: 'i32', features: 'i32' }, (f, p) => {
    const vectors = 4;
    const stats = statistics(f, p.stats, vectors);
    const gain = f.v128('gain'), bias = f.v128('bias');
    const pass = (biased: boolean): void => overFeatures(f, p.features, {
      streams: { panels: [p.x, p.y], parameters: biased ? [p.gain, p.bias] : [p.gain] }, vectors, before: stats.load,
      feature: ({ load, store, parameter }) => {
        f.set(gain, parameter(p.gain));
        if (biased) f.set(bias, parameter(p.bias));
        const scaled = zip(stats.rstd, (v) => mul(stats.of(load(p.x, v), v), gain));
        store(p.y, scaled.map((value) => f.v128('y', biased ? add(value, bias) : value)));
      },
    });
    f.if(p.bias, () => pass(true), () => pass(false));
  });

  m.function('normDelta', { dst: 'i32', x: 'i32', d: 'i32', stats: 'i32', a: 'i32', b: 'i32', gain: 'i32', skip: 'i32', features: 'i32' }, (f, p) => {
    const vectors = 2;
    const stats = statistics(f, p.stats, vectors);
    const a = locals(f, 'a', vectors), b = locals(f, 'b', vectors), gain = f.v128('gain');
    const pass = (skips: boolean): void => overFeatures(f, p.features, {
      streams: { panels: skips ? [p.x, p.d, p.dst, p.skip] : [p.x, p.d, p.dst], parameters: [p.gain] }, vectors,
      before: (group) => {
        stats.load(group);
        group.loadRow(p.a, a);
        group.loadRow(p.b, b);
      },
      feature: ({ load, store, parameter }) => {
        f.set(gain, parameter(p.gain));
        const dx = zip(a, (v) => mul(sub(sub(mul(load(p.d, v), gain), a[v]!), mul(stats.of(load(p.x, v), v), b[v]!)), stats.rstd[v]!));
        store(p.dst, dx.map((value, v) => f.v128('dx', skips ? add(load(p.skip, v), value) : value)));
      },
    });
    f.if(p.skip, () => pass(true), () => pass(false));
  });
};

export const defineNorms = (m: ModuleBuilder): void => {
  defineSums(m);
  defineRows(m);
  defineByElement(m);
};
