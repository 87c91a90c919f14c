/**
 * The constants of a machine, each once: value, unit, evidence, and a range where it is a guess.
 *
 *   wse2Groups ─what a generation has otherwise─▶ wse1Groups, wse3Groups        toyGroups: round numbers
 *
 * `core.streamedEfficiency` alone was calibrated (docs/timing.md §9). Not here: what the fields mean (groups.ts), rectangles, SRAM, clock (wafer.ts), checks (machine-data.ts).
 */
import type { CoreSpec, EnergySpec, FabricSpec, Groups, MemoryXSpec, SwarmXSpec } from './groups.js';
import type { Kind, Quantities, Quantity, Trust } from './quantity.js';

export type GroupQuantities = { readonly [G in keyof Groups]: Quantities<Groups[G]> };

const of = (kind: Kind) => (value: number, unit: string, trust: Exclude<Trust, 'guess'>, source: string): Quantity => ({ value, unit, kind, trust, source });
const rate = of('rate'), count = of('count'), amount = of('amount');
const guess = (kind: Kind, value: number, unit: string, range: readonly [low: number, high: number], source: string): Quantity => ({ value, unit, kind, trust: 'guess', source, range });

const perCycle = 'multiply-adds a cycle', cycles = 'cycles', bytesPerSecond = 'B/s', joules = 'J';
const tools = 'vendor simulator: instruction traces', matrixVector = 'vendor simulator: single-tile matrix–vector products';

const core: Quantities<CoreSpec> = {
  macsPerCycleFp32: rate(1, perCycle, 'published', `${matrixVector}, N · N_pad + N + 41 cycles`),
  macsPerCycleMixed: rate(2, perCycle, 'secondary', 'fp16 × fp16 → fp32: 2 a cycle'),
  macsPerCycleFp16: rate(4, perCycle, 'published', 'vendor: 4-way SIMD of 16-bit multiply-adds; the ports of 16 + 8 B feed an AXPY of that width'),
  sumBits: guess('count', 16, 'b', [16, 32], 'a tile adds up few features (5 of 4,096 over 750 columns), and peaks are stated for 16 bits; with 32 the one calibration row would be missed by 30 % at any efficiency; what the kernels do is unpublished'),
  conflictCyclesPerElement: rate(2, 'cycles an element', 'published', `${tools}; both operands in one bank group`),
  issueCycles: amount(2, cycles, 'published', tools),
  conflictIssueCycles: amount(3, cycles, 'published', tools),
  vectorOverheadCycles: amount(1, 'cycles an instruction', 'published', `${matrixVector}: the term N; 1 a step in the map idiom`),
  taskCycles: guess('amount', 2, 'cycles a task', [1, 17], 'the pipe is filled anew, which is issue to first execute; scalar loops of the vendor tools take 15 to 17 a step'),
  programStartCycles: amount(41, cycles, 'published', `${matrixVector}: the constant term`),
  streamedEfficiency: { value: 0.87, unit: 'share of the vector rate', kind: 'share', trust: 'derived', range: [0.75, 1], source: 'calibrated on one measurement, Llama-7B on one CS-2 at 20.45 sequences/s; all of the range lies within 10 % of it' },
  fabricCyclesPerWord: amount(1, 'cycles a word', 'derived', 'the ramp brings 32 b a cycle, and an f32 addition takes one'),
  rowSumBits: guess('count', 32, 'b', [16, 32], 'hundreds of tiles add to a sum: 16 bits would lose it; unpublished'),
  elementwiseCyclesPerValue: guess('amount', 4, 'cycles a value', [1, 20], 'a few vector instructions at 1 value a cycle: a residual takes 1, an exponential about 10'),
  sramReadBytesPerCycle: rate(16, 'B a cycle', 'secondary', '2 × 64 b read a cycle'),
  sramWriteBytesPerCycle: rate(8, 'B a cycle', 'secondary', '64 b written a cycle'),
  accumulatorCacheBytes: amount(256, 'B', 'secondary', '256 B beside the datapath'),
};

const fabric: Quantities<FabricSpec> = {
  linkBitsPerCycle: rate(32, 'b a cycle and direction', 'secondary', '32 b a cycle a direction, all ports in parallel'),
  hopCycles: amount(1, 'cycles a hop', 'published', 'vendor documentation'),
  rampCycles: amount(2, cycles, 'secondary', 'router to core, each way: T_R of the literature'),
};

const swarmX: Quantities<SwarmXSpec> = {
  lanes: count(12, 'lanes', 'published', 'a system has 12 × 100 GbE'),
  laneBytesPerSecond: rate(12.5e9, bytesPerSecond, 'published', '100 Gb/s NICs, reduces at line rate'),
  nodeLatencySeconds: guess('amount', 5e-6, 's', [1e-6, 20e-6], 'one hop over a NIC and a host'),
  fanInMax: count(4, 'down-ports', 'published', 'a node does one 1:4 or two 1:2'),
};

const memoryX: Quantities<MemoryXSpec> = {
  outBytesPerSecond: rate(150e9, bytesPerSecond, 'published', 'matches one CS-2: 1.2 Tb/s; one copy serves all'),
  inBytesPerSecond: rate(150e9, bytesPerSecond, 'published', 'matches one CS-2: 1.2 Tb/s, after the reduce'),
  rowBytesPerSecondPerCsx: guess('rate', 150e9, bytesPerSecond, [12.5e9, 150e9], 'one activation server a system in a public cluster; taken to keep up with its system, and to have one NIC at least'),
  dramBytesPerSecond: guess('rate', 2.4e12, bytesPerSecond, [0.3e12, 5e12], '24 MemoryX nodes in a public cluster, 100 GB/s each'),
  flashBytesPerSecond: guess('rate', 300e9, bytesPerSecond, [50e9, 1e12], '24 MemoryX nodes with four drives of 3 GB/s each'),
  dramBytes: amount(12e12, 'B', 'secondary', 'shipped units: 1.5 and 12 TB'),
  flashBytes: amount(2.4e15, 'B', 'published', 'announcement of August 2021: up to 2.4 PB'),
};

const dynamic = 'shares of (23 kW − 10 kW) ÷ 850,000 cores ÷ 0.85 GHz = 18 pJ a busy cycle: four multiply-adds, 24 B of SRAM, one wavelet, one task';
const energy: Quantities<EnergySpec> = {
  macFp32Joules: guess('amount', 3.5e-12, joules, [1.5e-12, 7e-12], `multipliers grow with the square of the mantissa; ${dynamic}`),
  macMixedJoules: guess('amount', 1.6e-12, joules, [0.5e-12, 3e-12], dynamic),
  macFp16Joules: guess('amount', 1e-12, joules, [0.3e-12, 2e-12], dynamic),
  elementwiseJoules: guess('amount', 5e-12, joules, [1e-12, 20e-12], 'four cycles of a datapath at the price of multiply-adds'),
  taskJoules: guess('amount', 1e-12, joules, [0.2e-12, 5e-12], dynamic),
  sramByteJoules: guess('amount', 0.4e-12, joules, [0.1e-12, 1e-12], dynamic),
  waveletHopJoules: guess('amount', 3e-12, joules, [1e-12, 6e-12], `about 0.1 pJ a bit and hop of half a millimetre; ${dynamic}`),
  ioByteJoules: guess('amount', 120e-12, joules, [40e-12, 300e-12], '15 pJ a bit of a 100 Gb/s port'),
  linkByteJoules: guess('amount', 240e-12, joules, [80e-12, 600e-12], 'a port at each end of the link'),
  reduceAddJoules: guess('amount', 20e-12, joules, [5e-12, 100e-12], 'an addition and its operands in the caches of a host'),
  dramByteJoules: guess('amount', 120e-12, joules, [40e-12, 250e-12], '15 pJ a bit of server memory'),
  flashByteJoules: guess('amount', 1e-9, joules, [0.2e-9, 3e-9], 'a drive of 3 GB/s that draws 3 W more when busy'),
  optimizerElementJoules: guess('amount', 300e-12, joules, [50e-12, 2e-9], 'some twenty operations of a host core'),
  idleWattsPerCsx: guess('amount', 10e3, 'W', [7e3, 15e3], 'a system draws 15 to 23 kW at work'),
  idleWattsPerNode: guess('amount', 300, 'W', [150, 600], 'a host with a dozen ports'),
  idleWattsOfMemoryX: guess('amount', 24 * 300, 'W', [3e3, 15e3], '24 hosts'),
  corePeakWatts: amount(30e-3, 'W', 'secondary', '30 mW peak'),
};

export const wse2Groups: GroupQuantities = { core, fabric, swarmX, memoryX, energy };

const asWse2 = (quantity: Quantity, range: readonly [low: number, high: number]): Quantity => ({ ...quantity, trust: 'guess', range, source: 'taken from WSE-2' });

export const wse1Groups: GroupQuantities = {
  ...wse2Groups,
  core: { ...core, macsPerCycleFp16: rate(4, perCycle, 'secondary', '4 a core and cycle'), accumulatorCacheBytes: asWse2(core.accumulatorCacheBytes, [0, 256]) },
};

export const wse3Groups: GroupQuantities = {
  ...wse2Groups,
  core: {
    ...core,
    macsPerCycleFp32: asWse2(core.macsPerCycleFp32, [1, 2]),
    macsPerCycleMixed: guess('rate', 4, perCycle, [2, 4], 'half of what 16 bits reach, as on WSE-2'),
    macsPerCycleFp16: rate(8, perCycle, 'published', '8-way SIMD'),
    accumulatorCacheBytes: amount(512, 'B', 'secondary', '512 B beside the datapath'),
  },
};

/** Round numbers for tests and teaching: every constant is a choice. */
const chosen = <T>(group: Quantities<T>, values: T): Quantities<T> =>
  Object.fromEntries((Object.entries(group) as [string, Quantity][]).map(([field, { unit, kind }]) => [field, { value: (values as Record<string, number>)[field], unit, kind, trust: 'chosen', source: 'round, for tests and teaching' }])) as Quantities<T>;

export const toyGroups: GroupQuantities = {
  core: chosen<CoreSpec>(core, {
    macsPerCycleFp32: 1, macsPerCycleMixed: 2, macsPerCycleFp16: 4, sumBits: 16, conflictCyclesPerElement: 2, issueCycles: 2, conflictIssueCycles: 3, vectorOverheadCycles: 1, taskCycles: 2, programStartCycles: 40,
    streamedEfficiency: 1, fabricCyclesPerWord: 1, rowSumBits: 32, elementwiseCyclesPerValue: 4, sramReadBytesPerCycle: 16, sramWriteBytesPerCycle: 8, accumulatorCacheBytes: 256,
  }),
  fabric: chosen<FabricSpec>(fabric, { linkBitsPerCycle: 32, hopCycles: 1, rampCycles: 2 }),
  swarmX: chosen<SwarmXSpec>(swarmX, { lanes: 1, laneBytesPerSecond: 1e9, nodeLatencySeconds: 1e-6, fanInMax: 4 }),
  memoryX: chosen<MemoryXSpec>(memoryX, { outBytesPerSecond: 1e9, inBytesPerSecond: 1e9, rowBytesPerSecondPerCsx: 1e9, dramBytesPerSecond: 10e9, flashBytesPerSecond: 1e9, dramBytes: 1e9, flashBytes: 10e9 }),
  energy: chosen<EnergySpec>(energy, {
    macFp32Joules: 4e-12, macMixedJoules: 2e-12, macFp16Joules: 1e-12, elementwiseJoules: 4e-12, taskJoules: 1e-12, sramByteJoules: 0.5e-12, waveletHopJoules: 2e-12, ioByteJoules: 100e-12, linkByteJoules: 200e-12,
    reduceAddJoules: 10e-12, dramByteJoules: 100e-12, flashByteJoules: 1e-9, optimizerElementJoules: 100e-12, idleWattsPerCsx: 1, idleWattsPerNode: 1, idleWattsOfMemoryX: 1, corePeakWatts: 50e-3,
  }),
};
