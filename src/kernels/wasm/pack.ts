/**
 * Layout changes: weights into packed blocks, panels turned around, blocks moved.
 *
 *   packForward  weight [i][o], columns  ─▶ packed (n = inputs,  m = outputs)      contiguous pieces of rows, moved
 *   packDelta    weight [i][o], rows     ─▶ packed (n = outputs, m = inputs)       4×4 blocks, transposed
 *   turn         panel [features][32]    ─▶ [32][width]                            4×4 blocks, transposed, padded with +0
 *
 * Nothing is computed here: every float leaves as it came. Not here: who packs when (cluster/memoryx/).
 */
import { f32, i32, v128, type V128 } from '../assembler/expressions.js';
import type { Callee, FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { panelRowBytes, slabTokens } from '../types.js';
import { positive, transpose4, type Shape } from './build.js';
import { forTail } from './linear.js';

type Pointer = Local<'i32'>;

/** Moves `rows` floats, the first four as one vector. */
const moveRow = (f: FunctionBuilder, rows: number, dst: Pointer, src: Pointer): void => {
  if (rows >= 4) f.store(dst, v128.load(src));
  for (let r = rows >= 4 ? 4 : 0; r < rows; r++) f.storeF32(dst, f32.load(src, r * 4), r * 4);
};

/**
 * `groups` groups of `rows` columns: for each row of the weight, one piece into each group. Rows are read once and in order; a call takes few
 * enough groups (defineForward) that the places written to stay in the cache.
 */
const forwardKernel = (m: ModuleBuilder, rows: number): Callee =>
  m.function(`packForward${rows}`, { dst: 'i32', src: 'i32', inputs: 'i32', srcStride: 'i32', groups: 'i32', groupBytes: 'i32' }, (f, p) => {
    const [from, to, left] = [f.i32('from'), f.i32('to'), f.i32('left')];
    f.while(positive(p.inputs), () => {
      f.set(from, p.src);
      f.set(to, p.dst);
      f.set(left, p.groups);
      f.doWhile(() => {
        moveRow(f, rows, to, from);
        f.advance(from, rows * 4);
        f.advance(to, p.groupBytes);
        f.set(left, i32.sub(left, 1));
      }, left);
      f.advance(p.src, p.srcStride);
      f.advance(p.dst, rows * 4);
      f.set(p.inputs, i32.sub(p.inputs, 1));
    });
  }, { export: false });

/** One group of `rows` weight rows of `count` floats, srcStride apart: dst[o][rows]. */
const deltaKernel = (m: ModuleBuilder, rows: number): Callee =>
  m.function(`packDelta${rows}`, { dst: 'i32', src: 'i32', srcStride: 'i32', count: 'i32' }, (f, p) => {
    const at = Array.from({ length: rows }, (_, r) => f.i32(`row${r}`, i32.add(p.src, i32.mul(p.srcStride, r))));
    const next = (floats: number): void => {
      for (const row of at) f.advance(row, floats * 4);
      f.advance(p.dst, rows * floats * 4);
      f.set(p.count, i32.sub(p.count, floats));
    };
    if (rows >= 4) {
      f.while(i32.ge_s(p.count, 4), () => {
        const lines = at.map((row, r) => f.v128(`line${r}`, v128.load(row)));
        const columns = transpose4(f, lines as [Local<'v128'>, Local<'v128'>, Local<'v128'>, Local<'v128'>], 'block');
        columns.forEach((column, o) => {
          f.store(p.dst, column, o * rows * 4);
          for (let r = 4; r < rows; r++) f.storeLane(p.dst, lines[r]!, o, (o * rows + r) * 4);
        });
        next(4);
      });
    }
    f.while(positive(p.count), () => {
      at.forEach((row, r) => f.storeF32(p.dst, f32.load(row), r * 4));
      next(1);
    });
  }, { export: false });

/** Groups of one call of packForward's inner kernel: as many places to write as the nearest cache has ways, for they may lie whole pages apart. */
const groupsAtOnce = 8;

const defineForward = (m: ModuleBuilder, shape: Shape): void => {
  const R = shape.rows;
  const kernels = new Map(Array.from({ length: R }, (_, index) => [index + 1, forwardKernel(m, index + 1)]));
  m.function('packForward', { dst: 'i32', weight: 'i32', inputs: 'i32', allOutputs: 'i32', firstOutput: 'i32', outputs: 'i32' }, (f, p) => {
    const src = f.i32('src', i32.add(p.weight, i32.shl(p.firstOutput, 2)));
    const stride = f.i32('stride', i32.shl(p.allOutputs, 2));
    const groups = f.i32('groups', i32.div_u(p.outputs, R));
    const tail = f.i32('tail', i32.rem_u(p.outputs, R));
    const groupBytes = f.i32('groupBytes', i32.mul(p.inputs, R * 4));
    const now = f.i32('now');
    f.while(positive(groups), () => {
      f.set(now, i32.min_s(groups, i32.const(groupsAtOnce)));
      f.call(kernels.get(R)!, p.dst, src, p.inputs, stride, now, groupBytes);
      f.advance(p.dst, i32.mul(now, groupBytes));
      f.advance(src, i32.mul(now, R * 4));
      f.set(groups, i32.sub(groups, now));
    });
    forTail(f, shape, tail, (rows) => f.call(kernels.get(rows)!, p.dst, src, p.inputs, stride, 1, 0));
  });
};

const defineDelta = (m: ModuleBuilder, shape: Shape): void => {
  const R = shape.rows;
  const kernels = new Map(Array.from({ length: R }, (_, index) => [index + 1, deltaKernel(m, index + 1)]));
  m.function('packDelta', { dst: 'i32', weight: 'i32', allOutputs: 'i32', firstInput: 'i32', inputs: 'i32' }, (f, p) => {
    const stride = f.i32('stride', i32.shl(p.allOutputs, 2));
    const src = f.i32('src', i32.add(p.weight, i32.mul(p.firstInput, stride)));
    f.while(i32.ge_s(p.inputs, R), () => {
      f.call(kernels.get(R)!, p.dst, src, stride, p.allOutputs);
      f.advance(p.dst, i32.mul(stride, R));
      f.advance(src, i32.mul(stride, R));
      f.set(p.inputs, i32.sub(p.inputs, R));
    });
    forTail(f, shape, p.inputs, (rows) => f.call(kernels.get(rows)!, p.dst, src, stride, p.allOutputs));
  });
};

/** Blocks of four features × four tokens; features beyond the panel are rows of +0. */
const defineTurn = (m: ModuleBuilder): void => {
  m.function('turn', { dst: 'i32', src: 'i32', features: 'i32' }, (f, p) => {
    const rowBytes = f.i32('rowBytes', i32.shl(i32.and(i32.add(p.features, 15), -16), 2));
    const end = f.i32('end', i32.add(p.dst, rowBytes));
    const [token, to] = [f.i32('token'), f.i32('to')];
    const lines = [0, 1, 2, 3].map((r) => f.v128(`line${r}`)) as [Local<'v128'>, Local<'v128'>, Local<'v128'>, Local<'v128'>];
    const blocks = (line: (r: number) => void): void => {
      f.set(to, p.dst);
      f.for(token, 0, slabTokens / 4, 1, () => {
        for (const r of [0, 1, 2, 3]) line(r);
        for (const column of transpose4(f, lines, 'block')) {
          f.store(to, column);
          f.advance(to, rowBytes);
        }
        f.advance(p.src, 16);
      });
      f.advance(p.src, 3 * panelRowBytes);
    };
    const at = (r: number): V128 => v128.load(p.src, r * panelRowBytes);
    f.while(i32.ne(p.dst, end), () => {
      f.if(i32.ge_s(p.features, 4),
        () => blocks((r) => f.set(lines[r]!, at(r))),
        () => blocks((r) => {
          f.set(lines[r]!, v128.zero());
          f.if(i32.gt_s(p.features, r), () => f.set(lines[r]!, at(r)));
        }));
      f.advance(p.dst, 16);
      f.set(p.features, i32.sub(p.features, 4));
    });
  });
};

const defineMoves = (m: ModuleBuilder): void => {
  m.function('copyRows', { dst: 'i32', dstStride: 'i32', src: 'i32', srcStride: 'i32', rows: 'i32', cols: 'i32' }, (f, p) => {
    f.while(positive(p.rows), () => {
      f.memoryCopy(p.dst, p.src, i32.shl(p.cols, 2));
      f.advance(p.dst, p.dstStride);
      f.advance(p.src, p.srcStride);
      f.set(p.rows, i32.sub(p.rows, 1));
    });
  });
  m.function('clear', { dst: 'i32', bytes: 'i32' }, (f, p) => f.memoryFill(p.dst, 0, p.bytes));
  m.function('copy', { dst: 'i32', src: 'i32', bytes: 'i32' }, (f, p) => f.memoryCopy(p.dst, p.src, p.bytes));
};

export const definePack = (m: ModuleBuilder, shape: Shape): void => {
  defineForward(m, shape);
  defineDelta(m, shape);
  defineTurn(m);
  defineMoves(m);
};
