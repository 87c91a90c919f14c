/**
 * Activations over contiguous ranges: four floats a round, `count` a multiple of 4 (docs/numerics.md §3).
 *
 * Forward and delta come as pairs. Not here: exp, tanh and erf (functions.ts), constants of gelu (../gelu.ts).
 */
import { f32x4, v128, type V128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { geluConstants } from '../gelu.js';
import { overFloats } from './build.js';
import { emitErf, emitExp, emitTanh } from './functions.js';

const { add, sub, mul, div } = f32x4;

/** u(x) = c · (x + (a · ((x · x) · x))) */
const emitInner = (f: FunctionBuilder, x: Local<'v128'>): V128 =>
  mul(f.lanes(geluConstants.c), add(x, mul(f.lanes(geluConstants.a), mul(mul(x, x), x))));

/** 1 + erf(x · √½) */
const emitErfShifted = (f: FunctionBuilder, x: Local<'v128'>): V128 => add(f.lanes(1), emitErf(f, mul(x, f.lanes(geluConstants.rootHalf))));

/** 1 / (1 + exp(−g)) */
const emitSigmoid = (f: FunctionBuilder, g: Local<'v128'>): Local<'v128'> =>
  f.v128('s', div(f.lanes(1), add(f.lanes(1), emitExp(f, v128.xor(g, f.lanesI32(0x80_00_00_00 | 0))))));

export const defineActivations = (m: ModuleBuilder): void => {
  const wholeVectors = true;
  m.function('relu', { dst: 'i32', src: 'i32', count: 'i32' }, (f, p) => {
    const zero = f.lanes(0);
    overFloats(f, [p.dst, p.src], p.count, (load, store) => {
      const x = f.v128('x', load(p.src));
      // x ≤ 0 becomes +0, NaN stays: where x is not above zero and equals itself, nothing of it is left.
      store(p.dst, v128.bitselect(x, zero, v128.or(f32x4.gt(x, zero), f32x4.ne(x, x))));
    }, { wholeVectors });
  });
  m.function('reluDelta', { dst: 'i32', d: 'i32', y: 'i32', count: 'i32' }, (f, p) => {
    const zero = f.lanes(0);
    overFloats(f, [p.dst, p.d, p.y], p.count, (load, store) => store(p.dst, v128.and(load(p.d), f32x4.gt(load(p.y), zero))), { wholeVectors });
  });
  m.function('gelu', { dst: 'i32', src: 'i32', count: 'i32' }, (f, p) => {
    overFloats(f, [p.dst, p.src], p.count, (load, store) => {
      const x = f.v128('x', load(p.src));
      const th = emitTanh(f, emitInner(f, x));
      store(p.dst, mul(mul(f.lanes(0.5), x), add(f.lanes(1), th)));
    }, { wholeVectors });
  });
  m.function('geluDelta', { dst: 'i32', d: 'i32', x: 'i32', count: 'i32' }, (f, p) => {
    const [one, half] = [f.lanes(1), f.lanes(0.5)];
    overFloats(f, [p.dst, p.d, p.x], p.count, (load, store) => {
      const x = f.v128('x', load(p.x));
      const th = emitTanh(f, emitInner(f, x));
      const s = f.v128('s', sub(one, mul(th, th)));
      const g = f.v128('g', mul(f.lanes(geluConstants.c), add(one, mul(f.lanes(geluConstants.a3), mul(x, x)))));
      const slope = add(mul(half, add(one, th)), mul(mul(mul(half, x), s), g));
      store(p.dst, mul(load(p.d), slope));
    }, { wholeVectors });
  });
  defineErfAndGated(m);
};

const defineErfAndGated = (m: ModuleBuilder): void => {
  const wholeVectors = true;
  m.function('geluErf', { dst: 'i32', src: 'i32', count: 'i32' }, (f, p) => {
    overFloats(f, [p.dst, p.src], p.count, (load, store) => {
      const x = f.v128('x', load(p.src));
      const g = emitErfShifted(f, x);
      store(p.dst, mul(mul(f.lanes(0.5), x), g));
    }, { wholeVectors });
  });
  m.function('geluErfDelta', { dst: 'i32', d: 'i32', x: 'i32', count: 'i32' }, (f, p) => {
    const half = f.lanes(0.5);
    overFloats(f, [p.dst, p.d, p.x], p.count, (load, store) => {
      const x = f.v128('x', load(p.x));
      const g = f.v128('g', emitErfShifted(f, x));
      const e = emitExp(f, mul(f.lanes(-0.5), mul(x, x)));
      store(p.dst, mul(load(p.d), add(mul(half, g), mul(x, mul(f.lanes(geluConstants.density), e)))));
    }, { wholeVectors });
  });
  m.function('swiglu', { dst: 'i32', gate: 'i32', up: 'i32', count: 'i32' }, (f, p) => {
    overFloats(f, [p.dst, p.gate, p.up], p.count, (load, store) => {
      const g = f.v128('gate', load(p.gate));
      const s = emitSigmoid(f, g);
      store(p.dst, mul(mul(g, s), load(p.up)));
    }, { wholeVectors });
  });
  m.function('swigluDelta', { dGate: 'i32', dUp: 'i32', d: 'i32', gate: 'i32', up: 'i32', count: 'i32' }, (f, p) => {
    const one = f.lanes(1);
    overFloats(f, [p.dGate, p.dUp, p.d, p.gate, p.up], p.count, (load, store) => {
      const g = f.v128('gate', load(p.gate)), d = f.v128('d', load(p.d));
      const through = f.v128('through', mul(d, load(p.up)));
      const s = emitSigmoid(f, g);
      // Both before the first store, for a result may lie where an input did.
      const dUp = f.v128('dUp', mul(d, mul(g, s)));
      const dGate = f.v128('dGate', mul(through, mul(s, add(one, mul(g, sub(one, s))))));
      store(p.dGate, dGate);
      store(p.dUp, dUp);
    }, { wholeVectors });
  });
};
