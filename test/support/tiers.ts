/** What tests of two tiers share: folders of their own, budgets of a training on a machine, and runs that are stopped on the way. Not here: any law. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { dealBlocks } from '../../src/cluster/flash-blocks.js';
import type { ClusterLayout, TierPlan } from '../../src/cluster/layout.js';
import { piecesOf } from '../../src/cluster/tiers.js';
import { planRun, type PlannedRun } from '../../src/emulator/plan.js';
import { Cluster, DoesNotFit } from '../../src/index.js';
import { twinPlan } from '../../src/kernels/load.js';
import { purposes, randomWord } from '../../src/util/prng.js';
import { optionsOn, type ClusterShape, type Training } from '../../src/testing/index.js';

/** A folder that is removed after the file's tests. */
export const freshFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `waferstream-${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'run');
};

export type Tiered = ClusterLayout & { readonly tiers: TierPlan };

/** A training planned on a machine with two tiers, as if it were to run. */
export const planTiered = ({ model, options }: Training, shape: ClusterShape, dramBytes?: number): PlannedRun & { readonly layout: Tiered } => {
  const { cluster, training } = optionsOn({ ...shape, memoryX: { flashDir: 'nowhere', ...(dramBytes === undefined ? {} : { dramBytes }) } }, model, options);
  const planned = planRun(model, training, cluster, shape.threads as number, twinPlan), { tiers } = planned.layout;
  assert.ok(tiers !== null);
  return { ...planned, layout: { ...planned.layout, tiers } };
};

export interface Budget {
  /** The least DRAM that a run begins with, by what it says when it has too little. */
  readonly least: number;
  /** What it takes if it may. */
  readonly all: number;
  readonly memoryBytes: number;
  /** Blocks on flash: units that can have one. */
  readonly blocks: number;
}

/** Budgets of a training on a machine; `memoryBytes` is of one with `dramBytes`. */
export const budgetOf = (training: Training, shape: ClusterShape, dramBytes?: number): Budget => {
  const bytesOf = ({ layout }: PlannedRun): number => layout.memoryX.memoryBytes.reduce((sum, bytes) => sum + bytes, 0);
  const roomy = planTiered(training, shape), { pieces } = piecesOf(roomy.layout.tiers);
  let least = 0;
  try {
    planTiered(training, shape, 1);
  } catch (error) {
    assert.ok(error instanceof DoesNotFit, String(error));
    least = error.needBytes;
  }
  assert.throws(() => planTiered(training, shape, least - 1), DoesNotFit);
  return { least, all: bytesOf(roomy), memoryBytes: dramBytes === undefined ? bytesOf(roomy) : bytesOf(planTiered(training, shape, dramBytes)), blocks: dealBlocks(pieces, 1).blocks[0]?.length ?? 0 };
};

/** Trains and stops: when step `steps` has been acknowledged, whatever else is under way; with durability 'checkpoint', which keeps nothing then, at a last step. */
export const flashLives = async (shape: ClusterShape, { model, options }: Training, steps: number): Promise<void> => {
  const isLast = shape.memoryX?.durability === 'checkpoint', stop = new AbortController(), enough = new Error('enough');
  const { cluster, training } = optionsOn(shape, model, { ...options, ...(isLast ? { steps } : {}), signal: stop.signal });
  await using started = await Cluster.start(cluster);
  const run = started.train(model, training);
  run.steps$.subscribe({ next: ({ step }) => !isLast && step + 1 === steps && stop.abort(enough), error: () => {} });
  try {
    await run.finished;
  } catch (error) {
    if (error !== enough) throw error;
  }
};

/** Numbers from 0 to below 1, the same for the same seed. */
export const prng = (seed: number): (() => number) => {
  let draw = 0;
  return () => randomWord(seed, purposes.schedule, draw++) / 2 ** 32;
};
