/** The shape of the cluster out of the options: nothing of it shows in the weights. Not here: model and data (job.ts). */
import type { ClusterOptions } from '../../index.js';
import type { Options } from '../options.js';
import { together } from './rules.js';

/** @throws InvalidConfig */
export const clusterShape = (options: Options, signal: AbortSignal): ClusterOptions => {
  together(options, 'rows', 'cols');
  const { rows, cols, numCsx = 1, threads = 'auto', dispatcher = 'thread', kernels = 'auto' } = options;
  if (dispatcher === 'local' && options.threads === undefined) return clusterShape({ ...options, threads: 1 }, signal);
  const { dram, flashDir, shards, durability } = options;
  const memoryX = { ...(dram === undefined ? {} : { dramBytes: dram }), ...(flashDir === undefined ? {} : { flashDir }), ...(shards === undefined ? {} : { shards }), ...(durability === undefined ? {} : { durability }) };
  return { numCsx, threads, dispatcher, kernels, wafer: rows === undefined || cols === undefined ? 'auto' : { rows, cols }, memoryX, signal };
};
