/**
 * MemoryX's parts by themselves: a shard's blocks beside plain sequential reading and writing of the same disk, both past the page cache; the AdamW update beside a copy;
 * reopening a store after a crash.
 *
 * Verified: blocks come back as they went, checksums included; a reopened store has its last committed step. Not here: a training on top (memoryx.bench.ts).
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { blockBytesMax, lanesPerShard } from '../src/cluster/flash-blocks.js';
import { createKernels, kernelPlan } from '../src/kernels/load.js';
import { realFileSystem } from '../src/storage/real-file-system.js';
import { createStore, openStore } from '../src/storage/store.js';
import { createShard, openShard } from '../src/storage/shard.js';
import { floats, MemoryPlan } from '../src/tensor/shared-memory.js';
import type { LaneData, LaneWork } from './flash-lane-thread.js';
import { fill } from './harness/data.js';
import type { Outcome, Table } from './harness/results.js';
import { interleave, ratio, timeOf, type Ratio } from './harness/rounds.js';
import type { BenchOptions } from './run.js';

const identity = '0'.repeat(64), diskBlocks = 128, moved = diskBlocks * blockBytesMax, GB = 1e9;
const kept = (ratios: readonly (Ratio | null)[]): Ratio[] => ratios.filter((r) => r !== null);
/** Seconds of `work` on every block. */
const eachBlock = (work: (block: number) => void): number => timeOf(() => {
  for (let block = 0; block < diskBlocks; block++) work(block);
}, 1);

const memoryOf = (bytes: number): WebAssembly.Memory => {
  const plan = new MemoryPlan('a benchmark', 0);
  plan.reserve(bytes);
  return plan.create();
};

/** A shard's lanes as the emulator has them, beside one thread of plain requests; blocks of the emulator's size, files that have their room already. */
const disk = async (folder: string, rounds: number): Promise<Table> => {
  const memory = memoryOf(lanesPerShard * blockBytesMax), bytes = new Uint8Array(memory.buffer, 0, blockBytesMax), path = join(folder, 'shard.bin'), plainPath = join(folder, 'plain.bin');
  fill(floats(memory, 0, (lanesPerShard * blockBytesMax) / 4), 1, 2);
  createShard(realFileSystem, path, { blocks: Array.from({ length: diskBlocks }, () => blockBytesMax), scratchBytes: 0, identity });
  realFileSystem.open(plainPath, 'create').close();
  const shard = openShard(realFileSystem, path, { mode: 'write' }), plain = realFileSystem.open(plainPath, 'write', { direct: true });
  const lanes = Array.from({ length: lanesPerShard }, (_, lane) => new Worker(new URL('./flash-lane-thread.js', import.meta.url), { workerData: { path, checksums: shard.checksums, memory, lane, lanes: lanesPerShard } satisfies LaneData }));
  const all = async (work: LaneWork): Promise<number> => {
    const began = performance.now();
    await Promise.all(lanes.map((lane) => {
      lane.postMessage(work, []);
      return once(lane, 'message');
    }));
    return (performance.now() - began) / 1000;
  };
  let step = 0;
  const writeShard = async (): Promise<number> => {
    const seconds = await all({ kind: 'write', step });
    shard.commit(step, '', 'process');
    shard.acknowledge(step++);
    return seconds;
  };
  try {
    // Both slots and the plain file get their room.
    for (let slot = 0; slot < 2; slot++) await writeShard();
    eachBlock((block) => plain.write(bytes, block * blockBytesMax));
    const [plainWrite, write, plainRead, read] = ['plain sequential write', `a shard written by its ${lanesPerShard} lanes`, 'plain sequential read', `a shard read by its ${lanesPerShard} lanes`] as const;
    const samples = await interleave([
      { name: plainWrite, measure: () => eachBlock((block) => plain.write(bytes, block * blockBytesMax)) },
      { name: write, measure: writeShard },
      { name: plainRead, measure: () => eachBlock((block) => plain.read(bytes, block * blockBytesMax)) },
      { name: read, measure: () => all({ kind: 'read', step: step - 1 }) },
    ], rounds);
    return {
      title: `flash with O_DIRECT, blocks of ${blockBytesMax / 2 ** 20} MiB`, work: { amount: moved / GB, unit: 'GB/s' }, samples,
      ratios: kept([
        ratio(samples, 'writing a shard, with checksums ÷ plain sequential write', plainWrite, write, '≥ 0.8'),
        ratio(samples, 'reading a shard, checked ÷ plain sequential read', plainRead, read, '≥ 0.8'),
      ]),
    };
  } finally {
    await Promise.all(lanes.map((lane) => lane.terminate()));
    shard.close();
    plain.close();
  }
};

/** 16 M parameters: bytes of w, g, m, v read and of w, m, v written, beside as many of a copy. */
const update = async (rounds: number): Promise<{ readonly table: Table; readonly kernels: string }> => {
  const count = 2 ** 24, size = count * 4, memory = memoryOf(5 * size), plan = kernelPlan(), k = createKernels(plan, memory), [w, g, m, v, next] = [0, size, 2 * size, 3 * size, 4 * size] as const;
  fill(floats(memory, 0, 3 * count), 1, 0.01);
  // 7 arrays' bytes: 3.5 copies, each of which reads one and writes one.
  const samples = await interleave([
    { name: 'AdamW update', measure: () => timeOf(() => k.adam(next, w, g, m, v, count, 0.9, 0.1, 0.999, 0.001, 1e-8, 1e-3, 0.5, 0, 0.999, 2), 1) },
    { name: 'copy', measure: () => timeOf(() => {
      k.copy(next, w, size);
      k.copy(g, m, size);
      k.copy(v, next, size);
      k.copy(w, m, size / 2);
    }, 1) },
  ], rounds);
  return { kernels: plan.name, table: { title: 'optimizer, 16.8 M parameters, one thread', work: { amount: (7 * size) / GB, unit: 'GB/s' }, samples, ratios: kept([ratio(samples, 'AdamW update, bytes/s ÷ a copy of the same arrays', 'copy', 'AdamW update', '≥ 0.6')]) } };
};

/** 2 GB in four shards; the process that wrote it ended in the middle of a step. */
const reopen = async (folder: string, rounds: number): Promise<Table> => {
  const blocks = 120, plan = { identity, shards: Array.from({ length: 4 }, () => ({ blocks: Array.from({ length: blocks }, () => blockBytesMax), scratchBytes: 0 })) };
  const block = new Uint8Array(blockBytesMax).fill(7);
  createStore(realFileSystem, folder, plan);
  let store = openStore(realFileSystem, folder, { mode: 'write', expect: plan });
  for (const step of [0, 1]) {
    for (const shard of store.shards) {
      for (let b = 0; b < (step === 0 ? blocks : blocks / 2); b++) shard.write(step, b, block);
      if (step === 0) shard.commit(step, '{}', 'process');
    }
    if (step === 0) store.acknowledge(0);
  }
  store.close();
  const samples = await interleave([{
    name: 'reopened', measure: () => timeOf(() => {
      store = openStore(realFileSystem, folder, { mode: 'write', expect: plan });
      const found = store.committedSteps();
      store.close();
      if (found[0] !== 0) throw new Error(`found ${JSON.stringify(found)} in the place of step 0`);
    }, 1),
  }], rounds);
  return { title: 'store of 2.0 GB after a crash in the middle of a step (goal < 5 s)', samples, ratios: [] };
};

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), 'waferstream-'));
  try {
    const flash = await disk(folder, rounds), { table, kernels } = await update(rounds), opened = await reopen(join(folder, 'store'), rounds);
    return { tables: [flash, table, opened], verified: ['every block read had the checksum with which it was written', 'the reopened store had its last committed step'], skipped: [], kernels };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
