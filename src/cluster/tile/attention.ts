/**
 * Attention of whole samples, head by head and slab by slab of queries (docs/numerics.md §12).
 *
 *   K, V of the sample's slabs ─▶ every slab of queries behind them ─▶ scores, exponentials, O          dO ─▶ dQ; dK and dV run on over slabs and heads
 *
 * A sample whose slabs all lie in one band is worked off by that band's host. Where they lie in several bands, the hosts share its key–value heads: each then
 * works the columns of its heads for all rows of the sample, so that K and V cross between hosts and sums do not. Which host it is shows in no bit.
 * Not here: tile by tile (fabric-attention.ts), when (the coordinator lets no host begin before the others have their Q, K and V).
 */
import type { AttentionPlan, Program } from '../../compiler/program.js';
import { panelRowBytes, slabTokens, type Kernels } from '../../kernels/types.js';
import { assert } from '../../util/errors.js';
import { slabsOfSample, type BatchShape, type MicroBatch } from '../deal.js';
import type { ArenaPlan } from '../layout.js';
import { workOf, type Run } from '../samples.js';

const blockBytes = slabTokens * panelRowBytes;

export interface AttentionWorker {
  forward(microBatch: number, attention: AttentionPlan): void;
  delta(microBatch: number, attention: AttentionPlan): void;
}

/** What a host needs to know to attend. */
export interface AttentionContext {
  readonly program: Program;
  readonly arena: ArenaPlan;
  readonly batch: BatchShape;
  readonly microBatches: readonly MicroBatch[];
  readonly thread: number;
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
}

export const attentionWorker = (o: AttentionContext): AttentionWorker => {
  const { arena, batch, kernels: k } = o;
  const works = o.microBatches.map((microBatch) => workOf(arena.bands, o.thread, microBatch, batch));
  const slabs = slabsOfSample(batch);
  const scratch = arena.attention[o.thread] ?? 0;
  const [scoresAt, deltasAt, turnedAt, turnedDeltasAt] = [0, 1, 2, 3].map((part) => scratch + part * slabs * blockBytes) as [number, number, number, number];
  const sumsAt = scratch + 4 * slabs * blockBytes;

  /** Address of feature `feature` of slab `slab` of the sample; `width`: features of the buffer as it is in use. */
  const panelAt = (runs: readonly Run[], buffer: number, width: number, feature: number, slab: number): number => {
    const run = runs.find(({ first, slabs: count }) => slab >= first && slab < first + count);
    const base = run?.band.buffers[buffer];
    assert(run !== undefined && base !== undefined, `slab ${slab} of the sample is in a band`);
    return base + ((run.p + slab - run.first) * width + feature) * panelRowBytes;
  };
  /** Visits the runs of slabs 0 … slab: first slab, number of slabs. */
  const upTo = (runs: readonly Run[], slab: number, visit: (first: number, count: number) => void): void => {
    for (const run of runs) if (run.first <= slab) visit(run.first, Math.min(run.slabs, slab + 1 - run.first));
  };

  const geometry = ({ heads, kvHeads, headSize }: AttentionPlan) => {
    const width = (heads + 2 * kvHeads) * headSize;
    return { width, stride: width * panelRowBytes, group: heads / kvHeads, scale: Math.fround(1 / Math.sqrt(headSize)), keys: (g: number) => (heads + g) * headSize, values: (g: number) => (heads + kvHeads + g) * headSize };
  };
  const scoresOf = (a: AttentionPlan, runs: readonly Run[], head: number, slab: number): number =>
    a.scores === null ? scoresAt : panelAt(runs, a.scores, a.heads * slabs * slabTokens, head * slabs * slabTokens, slab);

  /** Addresses of a head's slab of queries: Q, its scores, maximum and 1/sum, O. */
  const queriesOf = (a: AttentionPlan, runs: readonly Run[], head: number, slab: number) => {
    const m = panelAt(runs, a.stats, 2 * a.heads, 2 * head, slab);
    return {
      q: panelAt(runs, a.qkv, geometry(a).width, head * a.headSize, slab), e: scoresOf(a, runs, head, slab), m, r: m + panelRowBytes,
      o: panelAt(runs, a.o, a.heads * a.headSize, head * a.headSize, slab),
    };
  };
  /** out[k][q] for all keys that the slab may see: dots of the keys' or values' features from `feature` on with the panel at `right`. */
  const dots = (a: AttentionPlan, runs: readonly Run[], slab: number, out: number, feature: number, right: number): void => {
    const { width, stride } = geometry(a);
    upTo(runs, slab, (first, count) => k.panelDot(out + first * blockBytes, panelAt(runs, a.qkv, width, feature, first), stride, right, a.headSize, count));
  };
  /** out[f][q]: the sum over those keys of their features times what stands in `rows`. */
  const weighted = (a: AttentionPlan, runs: readonly Run[], slab: number, out: number, feature: number, rows: number): void => {
    const { width, stride } = geometry(a);
    upTo(runs, slab, (first, count) => k.slabProduct(out, panelAt(runs, a.qkv, width, feature, first), stride, rows + first * blockBytes, a.headSize, count, first > 0 ? 1 : 0));
  };

  return {
    forward(microBatch, a) {
      const { group, scale, keys, values } = geometry(a);
      for (const { runs, firstHead, step } of works[microBatch] ?? []) {
        for (let g = firstHead; g < a.kvHeads; g += step) {
          for (let head = g * group; head < (g + 1) * group; head++) {
            for (let i = 0; i < slabs; i++) {
              const { q, e, m, r, o: out } = queriesOf(a, runs, head, i);
              dots(a, runs, i, e, keys(g), q);
              k.attentionSoftmax(e, m, r, i + 1, scale);
              weighted(a, runs, i, out, values(g), e);
              k.scaleColumns(out, r, a.headSize);
            }
          }
        }
      }
    },

    delta(microBatch, a) {
      const { width, group, scale, keys, values } = geometry(a);
      const { headSize } = a, outWidth = a.heads * headSize, headBytes = headSize * panelRowBytes;
      const dK = sumsAt, dV = sumsAt + slabs * headBytes, dQ = dV + slabs * headBytes, headDots = dQ + headBytes;
      for (const { runs, firstHead, step } of works[microBatch] ?? []) {
        for (let g = firstHead; g < a.kvHeads; g += step) {
          for (let head = g * group; head < (g + 1) * group; head++) {
            for (let i = 0; i < slabs; i++) {
              const { q, e, m, r, o: out } = queriesOf(a, runs, head, i);
              const d = panelAt(runs, a.d, outWidth, head * headSize, i);
              if (a.scores === null) {
                dots(a, runs, i, e, keys(g), q);
                k.attentionExp(e, m, i + 1, scale);
              }
              k.headDot(headDots, d, out, headSize);
              dots(a, runs, i, deltasAt, values(g), d);
              k.attentionDelta(e, deltasAt, e, deltasAt, r, headDots, scale, (i + 1) * slabTokens);
              weighted(a, runs, i, dQ, keys(g), deltasAt);
              k.turnBlocks(turnedAt, e, i + 1);
              k.turnBlocks(turnedDeltasAt, deltasAt, i + 1);
              for (let j = 0; j <= i; j++) {
                const add = head > g * group || i > j ? 1 : 0;
                k.slabProduct(dV + j * headBytes, d, 0, turnedAt + j * blockBytes, headSize, 1, add);
                k.slabProduct(dK + j * headBytes, q, 0, turnedDeltasAt + j * blockBytes, headSize, 1, add);
              }
              // Nobody reads these queries again: their delta takes their place. Keys and values are still needed.
              k.copy(q, dQ, headBytes);
            }
          }
          for (let j = 0; j < slabs; j++) {
            k.copy(panelAt(runs, a.qkv, width, keys(g), j), dK + j * headBytes, headBytes);
            k.copy(panelAt(runs, a.qkv, width, values(g), j), dV + j * headBytes, headBytes);
          }
        }
      }
    },
  };
};
