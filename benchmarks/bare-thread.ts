/** A worker thread that runs the bare products when told to, to see what two threads of this host can do without the emulator. */
import { parentPort, workerData } from 'node:worker_threads';
import type { KernelPlan } from '../src/kernels/load.js';
import { timeOf } from './harness/rounds.js';
import { plainLoop } from './plain-loop.js';
import type { Blocking } from './plain-products.js';

export interface BareThreadData {
  readonly plan: KernelPlan;
  readonly sizes: readonly number[];
  readonly batch: number;
  readonly blocking: readonly Blocking[];
}

const { plan, sizes, batch, blocking } = workerData as BareThreadData;
const loop = plainLoop(plan, sizes, batch, 0, blocking);
loop.bareProducts();
parentPort?.on('message', (times: number) => parentPort?.postMessage(timeOf(loop.bareProducts, times), []));
parentPort?.postMessage(0, []);
