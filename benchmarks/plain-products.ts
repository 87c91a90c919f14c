/**
 * The three products of one linear layer as bare kernel calls over panels: the yardstick that streams, actors and threads are measured against.
 *
 *   forward  y = x·w      block by block of outputs        gradient  dw = xᵀ·dy    block by block of outputs
 *   delta    dx = dy·wᵀ   block by block of inputs         Blocks are given: the compiler's own, or the fastest that `tune` finds.
 *
 * Not here: a whole training step (plain-loop.ts).
 */
import { gradientScratchBytes, panelRowBytes, slabTokens, type Kernels } from '../src/kernels/types.js';
import type { MemoryPlan } from '../src/tensor/shared-memory.js';
import { roundUp } from '../src/util/units.js';
import { timeOf } from './harness/rounds.js';

/** Results that travel together, for each product. */
export interface Blocking {
  readonly forward: number;
  readonly delta: number;
  readonly gradient: number;
}

export interface LayerShape {
  readonly inputs: number;
  readonly outputs: number;
  readonly panels: number;
}

/** Addresses; y holds dy after the delta pass, as in the cluster. */
export interface LayerPlaces {
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  /** Weights now and after the update; the gradient in the weight's layout. */
  readonly w: readonly [number, number];
  readonly g: number;
  readonly packed: number;
  readonly packedDelta: number;
  readonly turned: number;
  readonly node: number;
  readonly stack: number;
}

/** Widest block of a gradient, in floats a row. */
const width = (count: number): number => roundUp(count, 16);

export const planLayer = (plan: MemoryPlan, s: LayerShape, x: number | null = null): LayerPlaces => {
  const floatsAt = (count: number): number => plan.reserve(count * 4);
  const size = s.inputs * s.outputs, wide = width(s.outputs);
  return {
    x: x ?? plan.reserve(s.panels * s.inputs * panelRowBytes), y: plan.reserve(s.panels * s.outputs * panelRowBytes), dx: plan.reserve(s.panels * s.inputs * panelRowBytes),
    w: [floatsAt(size), floatsAt(size)], g: floatsAt(s.inputs * wide), packed: floatsAt(size), packedDelta: floatsAt(size),
    turned: floatsAt(s.panels * slabTokens * wide), node: floatsAt(s.inputs * wide), stack: plan.reserve(gradientScratchBytes(wide, s.panels)),
  };
};

const eachBlock = (results: number, count: number, body: (first: number, count: number) => void): void => {
  for (let first = 0; first < results; first += count) body(first, Math.min(count, results - first));
};

export interface Products {
  packForward(now: 0 | 1): void;
  packDelta(now: 0 | 1): void;
  forward(): void;
  delta(): void;
  /** Turns a block's deltas, sums, and puts the block into g, with a bias its sums too; `panels` must be a power of two, so that one node is left. */
  gradient(bias?: { readonly ones: number; readonly g: number }): void;
  /** The three kernels alone: nothing packed, turned or moved. */
  bare(withDelta: boolean): void;
}

export const products = (k: Kernels, s: LayerShape, at: LayerPlaces, blocking: Blocking): Products => {
  const { inputs, outputs, panels } = s;
  const xStride = inputs * panelRowBytes, yStride = outputs * panelRowBytes;
  const forward = (): void =>
    eachBlock(outputs, blocking.forward, (first, count) => k.linear(at.y + first * panelRowBytes, yStride, at.x, xStride, at.packed + first * inputs * 4, inputs, count, panels));
  const delta = (): void =>
    eachBlock(inputs, blocking.delta, (first, count) => k.linear(at.dx + first * panelRowBytes, xStride, at.y, yStride, at.packedDelta + first * outputs * 4, outputs, count, panels));
  const gradientKernel = (dst: number, count: number): void =>
    void k.gradient(dst, 0, at.stack, at.x, xStride, at.turned, inputs, width(count), panels, 0, 0, slabTokens);
  return {
    packForward: (now) => eachBlock(outputs, blocking.forward, (first, count) => k.packForward(at.packed + first * inputs * 4, at.w[now], inputs, outputs, first, count)),
    packDelta: (now) => eachBlock(inputs, blocking.delta, (first, count) => k.packDelta(at.packedDelta + first * outputs * 4, at.w[now], outputs, first, count)),
    forward,
    delta,
    gradient: (bias) =>
      eachBlock(outputs, blocking.gradient, (first, count) => {
        for (let p = 0; p < panels; p++) k.turn(at.turned + p * slabTokens * width(count) * 4, at.y + p * yStride + first * panelRowBytes, count);
        if (bias !== undefined) k.gradient(bias.g + first * 4, 0, at.stack, bias.ones, 0, at.turned, 1, width(count), panels, 0, 0, slabTokens);
        if (count === outputs && width(count) === count) gradientKernel(at.g, count);
        else {
          gradientKernel(at.node, count);
          k.copyRows(at.g + first * 4, outputs * 4, at.node, width(count) * 4, inputs, count);
        }
      }),
    bare: (withDelta) => {
      forward();
      if (withDelta) delta();
      eachBlock(outputs, blocking.gradient, (_, count) => gradientKernel(at.node, count));
    },
  };
};

const candidates = (results: number): number[] => [...[80, 160, 320, 640].filter((count) => count < results), results];
const tuningRounds = 6;

/** The fastest blocks of each product, by interleaved trials; the values in memory do not matter. */
export const tune = (k: Kernels, s: LayerShape, at: LayerPlaces): Blocking => {
  const fastest = (results: number, product: 'forward' | 'delta' | 'gradient'): number => {
    const trials = candidates(results).map((count) => ({ count, run: products(k, s, at, { forward: count, delta: count, gradient: count })[product], seconds: Infinity }));
    for (let round = 0; round < tuningRounds; round++) for (const trial of trials) trial.seconds = Math.min(trial.seconds, timeOf(() => trial.run(), 1));
    return trials.reduce((a, b) => (b.seconds < a.seconds ? b : a)).count;
  };
  return { forward: fastest(s.outputs, 'forward'), delta: fastest(s.inputs, 'delta'), gradient: fastest(s.outputs, 'gradient') };
};
