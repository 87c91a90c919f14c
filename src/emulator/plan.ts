/**
 * Planning a run: model, data and options become a program, addresses and memories. What can be refused is refused here, before a thread starts.
 *
 * Not here: threads and actors (cluster.ts), the steps (cluster/coordinator/).
 */
import { totalmem } from 'node:os';
import { constrainedMemory } from 'node:process';
import { compile } from '../compiler/compile.js';
import type { Program } from '../compiler/program.js';
import { dealBatch, samplesIn, slabsPerWafer, type BatchShape } from '../cluster/deal.js';
import type { ClusterLayout } from '../cluster/layout.js';
import { planMemoryX } from '../cluster/memoryx/places.js';
import { journalWords } from '../cluster/memoryx/update.js';
import { fabricFloats } from '../cluster/tile/fabric.js';
import { planArena } from '../cluster/wafer/arena.js';
import { devicesOf } from '../cluster/wiring.js';
import type { KernelPlan } from '../kernels/load.js';
import { slabTokens } from '../kernels/types.js';
import { checkData, sampleAt, sampleCount, type TrainingData } from '../model/data.js';
import type { Model } from '../model/graph.js';
import { checkOptimizer } from '../model/optimizer.js';
import { specs } from '../spec/wafer.js';
import { MemoryPlan } from '../tensor/shared-memory.js';
import { DoesNotFit } from '../util/errors.js';
import { makeCounters } from '../trace/counts.js';
import { checkTrainOptions, type ClusterOptions, type TrainOptions } from './options.js';
import type { RunPlan } from './run.js';

export interface PlannedRun {
  readonly layout: ClusterLayout;
  readonly summary: RunPlan;
  readonly stateBytes: number;
  readonly microBatches: number;
}

/** @throws InvalidModel, InvalidConfig, DoesNotFit */
export const planRun = (model: Model, o: TrainOptions, cluster: ClusterOptions, threads: number, kernels: KernelPlan): PlannedRun => {
  checkTrainOptions(o);
  checkOptimizer(o.optimizer);
  checkData(model, o.data);
  const numCsx = cluster.numCsx ?? 1;
  const share = slabsPerWafer(o.batchSize, numCsx, slabTokens, o.microBatchSize);
  const batch: BatchShape = { samples: o.batchSize, numCsx, slabsPerWafer: share, slabTokens };
  const microBatches = dealBatch(batch);
  const tokens = Math.max(...microBatches.flatMap((microBatch) => microBatch.wafers.map((range) => samplesIn(range, batch))));
  const wafer = cluster.wafer ?? 'auto';
  const program: Program = compile(model, { tokens, wafer, spec: wafer === 'auto' ? specs.wse2 : (wafer.spec ?? specs.wse2) });

  const fabric = cluster.sweep === 'tile' ? fabricFloats(program) : 0;
  const arenaPlan = new MemoryPlan('the wafers');
  const arena = planArena(program, batch, threads, fabric, arenaPlan);
  const memoryX = planMemoryX(program, o.optimizer, batch, threads);
  checkHostMemory(arenaPlan.bytes + memoryX.plan.memoryBytes.reduce((sum, bytes) => sum + bytes, 0));
  const layout: ClusterLayout = {
    program,
    optimizer: o.optimizer,
    batch,
    kernels,
    arena,
    arenaMemory: arenaPlan.create(),
    memoryX: memoryX.plan,
    memoryXMemories: memoryX.create(),
    journal: new SharedArrayBuffer(model.parameters.length * threads * journalWords * 4),
    counts: makeCounters(devicesOf(arena.bands.length, numCsx, cluster.fanIn ?? 4, threads)),
  };
  const allocatedBytes = layout.arenaMemory.buffer.byteLength + layout.memoryXMemories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  return {
    layout,
    stateBytes: memoryX.stateBytes,
    microBatches: microBatches.length,
    summary: {
      rows: program.rectangle.rows,
      cols: program.rectangle.cols,
      tiles: program.rectangle.rows * program.rectangle.cols,
      sramBytesMax: program.sram.totalBytes,
      sramLimitBytes: program.sram.limitBytes,
      microBatches: microBatches.length,
      microBatchSize: Math.min(o.batchSize, share * slabTokens),
      blocks: program.linears.reduce((sum, linear) => sum + linear.forwardBlocks.length, 0),
      allocatedBytes,
    },
  };
};

/** @throws DoesNotFit where the host has less memory than the emulated machine would touch */
const checkHostMemory = (needBytes: number): void => {
  const limit = constrainedMemory();
  const haveBytes = Math.min(totalmem(), limit > 0 ? limit : Number.POSITIVE_INFINITY);
  if (needBytes > haveBytes) throw new DoesNotFit({ what: 'the emulated memories on this host', needBytes, haveBytes, hint: 'use a smaller model, an optimizer with fewer moments, or a smaller microBatchSize' });
};

const shared = <A extends Float32Array | Int32Array | Uint8Array>(array: A): A => {
  if (array.buffer instanceof SharedArrayBuffer) return array;
  const make = array.constructor as new (buffer: SharedArrayBuffer) => A;
  const copy = new make(new SharedArrayBuffer(array.byteLength));
  copy.set(array as never);
  return copy;
};

/** The same data over shared memory, so that input workers read it in place. */
export const shareData = (data: TrainingData): TrainingData => {
  switch (data.kind) {
    case 'features':
      return { ...data, inputs: shared(data.inputs), labels: shared(data.labels) };
    case 'tokens':
      return { ...data, ids: shared(data.ids), labels: shared(data.labels) };
    case 'text':
      return { ...data, bytes: shared(data.bytes) };
  }
};

/** The loss factor of every step: f32(1 / valid labels of its global batch); 0 where every label is masked. */
export const lossFactor = (data: TrainingData, context: number, batchSize: number, seed: number): ((step: number) => number) => {
  const whole = Math.fround(1 / batchSize);
  if (data.kind === 'text' || !data.labels.includes(-1)) return () => whole;
  const { labels } = data;
  const samples = sampleCount(data, context);
  const cache = new Map<number, number>();
  return (step) => {
    const known = cache.get(step);
    if (known !== undefined) return known;
    let valid = 0;
    for (let i = 0; i < batchSize; i++) if ((labels[sampleAt(samples, batchSize, step, i, seed)] as number) >= 0) valid++;
    const factor = valid === 0 ? 0 : Math.fround(1 / valid);
    cache.clear();
    cache.set(step, factor);
    return factor;
  };
};
