/** A thread that has a shard open beside others: it waits for the start, writes every second block of one step after the other, and leaves the commits to one. Not here: the judgement (unit/storage/threads.test.ts). */
import { workerData } from 'node:worker_threads';
import { realFileSystem } from '../../src/storage/real-file-system.js';
import { openShard } from '../../src/storage/shard.js';
import { childBlock, childState } from './storage-contents.js';

export interface LaneProps {
  readonly path: string;
  readonly checksums: SharedArrayBuffer;
  /** Arrivals: one word for the start, then one a step, then commits. */
  readonly meet: SharedArrayBuffer;
  readonly lane: number;
  readonly lanes: number;
  readonly steps: number;
}

const { path, checksums, meet, lane, lanes, steps } = workerData as LaneProps, words = new Int32Array(meet);
/** Waits until a word has reached a count. */
const until = (word: number, count: number): void => {
  for (let now = Atomics.load(words, word); now < count; now = Atomics.load(words, word)) Atomics.wait(words, word, now, 100);
};
const arrive = (word: number): void => {
  Atomics.add(words, word, 1);
  Atomics.notify(words, word);
};

arrive(0);
until(0, lanes);
const shard = openShard(realFileSystem, path, { mode: 'write', checksums });
for (let step = 0; step < steps; step++) {
  shard.plan.blocks.forEach((bytes, block) => {
    if (block % lanes !== lane) return;
    shard.write(step, block, childBlock(step, 0, block, bytes));
    if (step === 0) return;
    // A block of the step before, which another lane wrote.
    const other = (block + 1) % shard.plan.blocks.length, view = new Uint8Array(shard.plan.blocks[other] ?? 0);
    shard.read(step - 1, other, view);
    if (Buffer.compare(view, childBlock(step - 1, 0, other, view.length)) !== 0) throw new Error(`block ${other} of step ${step - 1} came back otherwise`);
  });
  arrive(1);
  until(1, lanes * (step + 1));
  if (lane === 0) {
    shard.commit(step, childState(step, 0), 'process');
    shard.acknowledge(step);
    arrive(2);
  }
  until(2, step + 1);
}
shard.close();
