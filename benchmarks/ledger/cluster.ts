/**
 * Clusters: how throughput grows with systems, the depth of SwarmX, the peak of a public cluster, the power of a system.
 *
 * Scaling is weak unless a row says otherwise: every system keeps its share of a batch. Not here: single trainings (training.ts), sums of data sheets (totals.ts).
 */
import { machines, scalingCurve, sparsityCurve } from '../../src/index.js';
import { planTree } from '../../src/cluster/swarmx/tree.js';
import { ask, vendorOptions } from './ask.js';
import { cerebrasGpt, llama7b, trillion } from './models.js';
import type { LedgerRow } from './types.js';

const last = (points: readonly { readonly speedup: number }[]): number => points.at(-1)?.speedup ?? Number.NaN;
/** So many systems against one. */
const gpt13b = (systems: number): number => last(scalingCurve(cerebrasGpt('13b'), { ...vendorOptions, batchSize: 90 }, machines.wse2, [1, systems]));
const aTrillion = (systems: number): number => last(scalingCurve(trillion(), { ...vendorOptions, batchSize: 16 }, machines.wse3, [1, systems]));
/** Three quarters of the weights absent against none. */
const sparse = (): number => last(sparsityCurve(cerebrasGpt('6.7b'), { ...vendorOptions, batchSize: 65 }, machines.wse2, [0, 0.75]));

/** Tiers of nodes between MemoryX and so many wafers. */
const tiers = (systems: number): number => 1 + Math.max(...planTree(systems, 4).map(({ tier }) => tier));

export const cluster: readonly LedgerRow[] = [
  {
    id: 'cluster/scaling-16', what: '16 systems against one', configuration: 'GPT 13B, 90 samples a system, CS-2', unit: 'times', kind: 'claim', reading: 'secondary', source: 'announcement', published: 16, predict: () => gpt13b(16),
    word: 'all that grows with the systems in the model is the latency of one more tier, once a step; hosts that feed the systems are not in it',
  },
  {
    id: 'cluster/scaling-192', what: '192 systems against one', configuration: 'GPT 13B, 90 samples a system, CS-2; "near-linear" taken for linear', unit: 'times', kind: 'claim', reading: 'secondary', source: 'announcement', published: 192, predict: () => gpt13b(192),
  },
  {
    id: 'cluster/scaling-16-trillion', what: '16 systems against one, a trillion parameters', configuration: 'CS-3; shape and share of a batch are ours: 128 layers of 25,600 features, 16 samples of 2,048 tokens a system', unit: 'times', kind: 'measurement', reading: 'press', source: 'sandia',
    published: 15.3, predict: () => aTrillion(16),
    word: 'whether the batch grew with the systems is not said; with a fixed batch the model finds less, with a share that is fixed nearly all of 16. Hosts and input, which the model leaves out, also show at this size',
  },
  {
    id: 'cluster/swarmx-tiers-8', what: 'tiers of SwarmX for 8 systems', configuration: 'nodes with four down-ports', unit: 'tiers', kind: 'claim', reading: 'secondary', source: 'weightStreaming', published: 2, predict: () => tiers(8),
  },
  {
    id: 'cluster/peak-andromeda', what: '16-bit dense peak of Andromeda', configuration: '16 CS-2', unit: 'PFLOP/s', kind: 'claim', reading: 'press', source: 'publicClusters', published: 120,
    predict: () => (16 * machines.wse2.wafer.coresPerWafer * machines.wse2.core.macsPerCycleFp16 * 2 * machines.wse2.wafer.clockHz) / 1e15,
    word: 'the clock: 120 wants 1.1 GHz, which slides say; every tool and measurement says 0.85',
  },
  {
    id: 'cluster/power-cs2', what: 'power of a system at work', configuration: 'Llama 7B on one CS-2, with its nodes and MemoryX', unit: 'kW', kind: 'claim', reading: 'secondary', source: 'dataSheets', published: [15, 23], relation: 'within', predict: () => ask({ model: llama7b, batchSize: 99 }).price.energy.watts / 1e3,
    word: 'published for a system; the model\'s figure has its share of the cluster\'s hosts in it, and constants that are guesses fitted to no run',
  },
  {
    id: 'cluster/sparsity-75', what: 'time to answer with three quarters of the weights absent', configuration: 'GPT 6.7B, 65 samples, one CS-2; tables and the output layer stay dense', unit: 'times as fast', kind: 'claim', reading: 'secondary', source: 'announcement', published: 4, predict: sparse,
    word: 'the claim is that sparsity cuts work and time alike. Sums along rows, attention, norms and the output layer do not shrink with it: at three quarters the sums take longest',
  },
];
