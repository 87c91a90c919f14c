/**
 * Sparse weights: what absent positions save of one linear layer's training step, of a small GPT's, and of the bytes that are kept and that travel.
 *
 * Not here: what sparse models learn (sparse-training.bench.ts).
 */
import { kernelPlan } from '../src/kernels/load.js';
import type { Outcome } from './harness/results.js';
import type { BenchOptions } from './run.js';
import { sparseGptTable } from './sparse-gpt.js';
import { sparseLayerTable } from './sparse-layer.js';

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const plan = kernelPlan(), verified: string[] = [], skipped: string[] = [];
  const layer = await sparseLayerTable(plan, rounds, verified, skipped);
  const { table, figures } = await sparseGptTable(rounds, verified);
  return { tables: [layer, table], figures, verified, skipped, kernels: plan.name };
};
