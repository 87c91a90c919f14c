/**
 * The contract of a run: what its bits follow from, as plain data. A run is resumed under the same contract or not at all.
 *
 *   model, optimizer, batch size, seed, … ─▶ contract ─▶ beside saved state ─▶ compared with that of the run that resumes it
 *
 * Not here: the cluster's shape, threads and memories, which show in no bit.
 */
import { createHash } from 'node:crypto';
import { numericsVersion } from '../compiler/program.js';
import type { CheckpointState } from '../formats/checkpoint/state.js';
import { samplesOf } from '../model/data.js';
import type { Model } from '../model/graph.js';
import { fullPrecision, type Precision } from '../model/precision.js';
import { InvalidConfig } from '../util/errors.js';
import type { TrainOptions } from './options.js';
import type { VersionState } from './version-state.js';

export interface Contract {
  readonly numericsVersion: number;
  readonly model: { readonly name: string; readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[] };
  readonly optimizer: unknown;
  readonly clipNorm: number | null;
  readonly batchSize: number;
  readonly seed: number;
  /** Samples of the data, which are drawn by step and seed. */
  readonly samples: number;
  readonly sparsity: unknown;
  readonly precision: Precision;
}

/** As it is read back from a file. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

export const contractOf = (model: Model, o: TrainOptions): Contract => plain({
  numericsVersion,
  model: { name: model.name, parameters: model.parameters.map(({ name, shape }) => ({ name, shape })) },
  optimizer: o.optimizer,
  clipNorm: o.clipNorm ?? null,
  batchSize: o.batchSize,
  seed: o.seed ?? 0,
  samples: samplesOf(model, o.data),
  sparsity: o.sparsity ?? null,
  precision: o.precision ?? fullPrecision,
});

/** Keys in order, so that equal contracts are equal texts. */
const ordered = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, ordered(inner)]));
};

const text = (value: unknown): string => JSON.stringify(ordered(value)) ?? 'nothing';

/** 64 hexadecimal digits, the same for equal contracts and whatever else is given. */
export const identityOf = (...parts: readonly unknown[]): string => createHash('sha256').update(text(parts)).digest('hex');

const shown = (value: unknown): string => {
  const all = text(value);
  return all.length <= 200 ? all : `${all.slice(0, 200)}…`;
};

/** The first place where two values differ. */
const difference = (saved: unknown, now: unknown, path: string): { readonly path: string; readonly saved: unknown; readonly now: unknown } | null => {
  if (text(saved) === text(now)) return null;
  if (typeof saved !== 'object' || typeof now !== 'object' || saved === null || now === null || Array.isArray(saved) !== Array.isArray(now)) return { path, saved, now };
  const before = saved as Record<string, unknown>, after = now as Record<string, unknown>;
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const found = difference(before[key], after[key], path === '' ? key : `${path}.${key}`);
    if (found !== null) return found;
  }
  return null;
};

/** @throws InvalidConfig that names the first thing that differs */
export const checkContract = (saved: unknown, now: Contract, where: string): void => {
  const found = difference(saved, now, '');
  if (found === null) return;
  throw new InvalidConfig({ what: `${found.path} of this run is not that of the saved one`, where, value: shown(found.now), limit: shown(found.saved), hint: 'resume with the same model, data, optimizer, batch size and seed' });
};

/** What a checkpoint says beside its tensors. */
export const checkpointState = ({ numericsVersion: numerics, model, optimizer, clipNorm, batchSize, seed, sparsity, precision }: Contract, { step, evaluations, scaling }: Pick<VersionState, 'step' | 'evaluations' | 'scaling'>): CheckpointState =>
  ({ numericsVersion: numerics, model, optimizer, clipNorm, batchSize, seed, sparsity, precision, step, samplesSeen: step * batchSize, lossScaling: scaling, evaluations, losses: null });

/** The contract that a checkpoint was written under; how many samples the data have is not in it. */
export const contractOfCheckpoint = ({ numericsVersion: numerics, model, optimizer, clipNorm, batchSize, seed, sparsity, precision }: CheckpointState, samples: number): unknown =>
  ({ numericsVersion: numerics, model, optimizer, clipNorm, batchSize, seed, samples, sparsity, precision });
