/**
 * One lane of a shard on a thread of its own, for store.bench.ts: it writes or reads every block of its own and says so. Not here: when, and how long it took.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { realFileSystem } from '../src/storage/real-file-system.js';
import { openShard } from '../src/storage/shard.js';

export interface LaneData {
  readonly path: string;
  readonly checksums: SharedArrayBuffer;
  readonly memory: WebAssembly.Memory;
  readonly lane: number;
  readonly lanes: number;
}
export interface LaneWork {
  readonly kind: 'write' | 'read';
  readonly step: number;
}

const { path, checksums, memory, lane, lanes } = workerData as LaneData;
const shard = openShard(realFileSystem, path, { mode: 'write', direct: true, checksums }), size = shard.plan.blocks[0] ?? 0, room = new Uint8Array(memory.buffer, lane * size, size);
parentPort?.on('message', ({ kind, step }: LaneWork) => {
  for (let block = lane; block < shard.plan.blocks.length; block += lanes) shard[kind](step, block, room);
  parentPort?.postMessage('done', []);
});
