/**
 * Totals that the vendor publishes for a wafer, a system and clusters, against what the machine's rows in src/spec add up to.
 *
 * Not here: times of a training (training.ts).
 */
import { machines, specs } from '../../src/index.js';
import { numCsxMax } from '../../src/spec/wafer.js';
import type { LedgerRow } from './types.js';

const bitsOfByte = 8;

const sram = (generation: keyof typeof specs, published: number, word?: string): LedgerRow => ({
  id: `totals/sram-${generation}`, what: `SRAM of a ${specs[generation].name}`, configuration: 'cores × 48 KiB', unit: 'GB', kind: 'claim', reading: 'first-hand', source: 'dataSheets', published,
  predict: () => (specs[generation].coresPerWafer * specs[generation].sramBytesPerTile) / 1e9,
  ...(word === undefined ? {} : { word }),
});

const asPublished = 'published totals of WSE-2 want about 1.0 GHz; its tools and measurements have 0.85';

/** Two 64-bit reads and a 64-bit write a cycle in every core. */
const sramBandwidth = (generation: 'wse1' | 'wse2' | 'wse3', published: number): LedgerRow => ({
  id: `totals/sram-bandwidth-${generation}`, what: `SRAM bandwidth of a ${specs[generation].name}`, configuration: '16 B read and 8 B written a core and cycle', unit: 'PB/s', kind: 'claim', reading: 'first-hand', source: 'dataSheets', published,
  predict: () => (specs[generation].coresPerWafer * (machines[generation].core.sramReadBytesPerCycle + machines[generation].core.sramWriteBytesPerCycle) * specs[generation].clockHz) / 1e15,
  ...(generation === 'wse2' ? { word: asPublished } : {}),
});

/** Four links a core, both directions. */
const fabricBandwidth = (generation: 'wse1' | 'wse2' | 'wse3', published: number): LedgerRow => ({
  id: `totals/fabric-bandwidth-${generation}`, what: `fabric bandwidth of a ${specs[generation].name}`, configuration: 'four links a core, both directions, 32 b a cycle', unit: 'Pb/s', kind: 'claim', reading: 'first-hand', source: 'dataSheets', published,
  predict: () => (specs[generation].coresPerWafer * 4 * 2 * machines[generation].fabric.linkBitsPerCycle * specs[generation].clockHz) / 1e15,
  ...(generation === 'wse2' ? { word: asPublished } : {}),
});

export const totals: readonly LedgerRow[] = [
  sram('wse1', 18, 'the published total is a tenth less than cores × 48 KiB; it is kept as evidence and asserted nowhere'),
  sram('wse2', 40, 'published as a round number'),
  sram('wse3', 44),
  sramBandwidth('wse1', 9), sramBandwidth('wse2', 20), sramBandwidth('wse3', 21),
  fabricBandwidth('wse1', 100), fabricBandwidth('wse2', 220), fabricBandwidth('wse3', 214),
  {
    id: 'totals/cores-192', what: 'cores of the largest cluster', configuration: '192 CS-2', unit: 'cores', kind: 'derived', reading: 'first-hand', source: 'announcement', published: 163e6,
    predict: () => numCsxMax * specs.wse2.coresPerWafer,
  },
  {
    id: 'totals/cores-condor-galaxy', what: 'cores of Condor Galaxy 1', configuration: '64 CS-2', unit: 'cores', kind: 'claim', reading: 'secondary', source: 'publicClusters', published: 54e6,
    predict: () => 64 * specs.wse2.coresPerWafer,
  },
  {
    id: 'totals/cores-andromeda', what: 'cores of Andromeda', configuration: '16 CS-2', unit: 'cores', kind: 'claim', reading: 'press', source: 'publicClusters', published: 13.5e6,
    predict: () => 16 * specs.wse2.coresPerWafer,
  },
  {
    id: 'totals/fabric-per-system', what: 'SwarmX bandwidth a system', configuration: 'four down-ports and one up-port a lane, 1.2 Tb/s each', unit: 'Tb/s', kind: 'derived', reading: 'secondary', source: 'publicClusters', published: 6.05,
    predict: () => (5 * specs.wse2.ioBytesPerSecond * bitsOfByte) / 1e12,
    word: 'two clusters publish 96.8 Tb/s for 16 systems and 386 for 64; a hundredth more than 5 × 1.2',
  },
];
