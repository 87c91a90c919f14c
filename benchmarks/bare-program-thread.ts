/** A worker thread that runs its share of a program's bare products when told to, to see what two threads of this host can do without the emulator. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ClusterLayout } from '../src/cluster/layout.js';
import { programProducts } from './program-products.js';

export interface BareProgramData {
  readonly layout: ClusterLayout;
  readonly thread: number;
}

const { layout, thread } = workerData as BareProgramData;
const work = programProducts(layout, thread);
parentPort?.on('message', () => parentPort?.postMessage(work.measure(), []));
parentPort?.postMessage(0, []);
