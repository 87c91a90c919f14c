/**
 * What a machine's constants are, group by group: plain numbers that prices read; units last in every name.
 *
 * Not here: values and evidence (constants.ts), presets (machine.ts).
 */

/** A core tile. */
export interface CoreSpec {
  /** Multiply-adds a cycle: f32; 16-bit operands with f32 sums; 16 bits throughout. */
  readonly macsPerCycleFp32: number;
  readonly macsPerCycleMixed: number;
  readonly macsPerCycleFp16: number;
  /** Bits of a tile's own partial sums where weights and activations have 16: with 16 a product runs at `macsPerCycleFp16`, with 32 at `macsPerCycleMixed`. */
  readonly sumBits: number;
  /** Cycles of an element whose two operands lie in the same bank group. */
  readonly conflictCyclesPerElement: number;
  /** From the issue of a vector instruction to its first element; and where operands conflict. */
  readonly issueCycles: number;
  readonly conflictIssueCycles: number;
  /** What a vector instruction costs beside its elements, one behind the other. */
  readonly vectorOverheadCycles: number;
  /** What a task costs that is no AXPY of an arriving weight. */
  readonly taskCycles: number;
  /** Start and end of a program that multiplies a matrix by a vector. */
  readonly programStartCycles: number;
  /** Share of the vector rate that a tile sustains in products with operands from the fabric. The only constant that was calibrated. */
  readonly streamedEfficiency: number;
  /** A 32-bit word that comes up the ramp and is added, or stored, by a core instruction. */
  readonly fabricCyclesPerWord: number;
  /** Bits of a partial sum on its way along a row. */
  readonly rowSumBits: number;
  /** A value of element-by-element work. */
  readonly elementwiseCyclesPerValue: number;
  readonly sramReadBytesPerCycle: number;
  readonly sramWriteBytesPerCycle: number;
  /** Of the cache beside the datapath: a vector that fits it need not come from SRAM again. */
  readonly accumulatorCacheBytes: number;
}

/** The mesh of a wafer. */
export interface FabricSpec {
  /** A link's bits a cycle and direction, the ramp between router and core among them. */
  readonly linkBitsPerCycle: number;
  readonly hopCycles: number;
  /** Between router and core, one way: T_R. */
  readonly rampCycles: number;
}

/** The tree of broadcast-reduce nodes between MemoryX and the wafers. */
export interface SwarmXSpec {
  /** Lanes of a system, and of a node's port, each a tree of its own. */
  readonly lanes: number;
  readonly laneBytesPerSecond: number;
  readonly nodeLatencySeconds: number;
  /** Most down-ports of a node. How many a run's nodes have is said by its `Work`. */
  readonly fanInMax: number;
}

/** The unit that holds the model. */
export interface MemoryXSpec {
  readonly outBytesPerSecond: number;
  readonly inBytesPerSecond: number;
  /** Rows of tables and their gradients, for each system. */
  readonly rowBytesPerSecondPerCsx: number;
  readonly dramBytesPerSecond: number;
  readonly flashBytesPerSecond: number;
  readonly dramBytes: number;
  readonly flashBytes: number;
}

/** Joules of every counted action, and watts of idling. */
export interface EnergySpec {
  readonly macFp32Joules: number;
  readonly macMixedJoules: number;
  readonly macFp16Joules: number;
  readonly elementwiseJoules: number;
  readonly taskJoules: number;
  readonly sramByteJoules: number;
  /** A wavelet over one hop. */
  readonly waveletHopJoules: number;
  /** A byte over the wafer's edge. */
  readonly ioByteJoules: number;
  /** A byte over one SwarmX link. */
  readonly linkByteJoules: number;
  readonly reduceAddJoules: number;
  readonly dramByteJoules: number;
  readonly flashByteJoules: number;
  readonly optimizerElementJoules: number;
  readonly idleWattsPerCsx: number;
  readonly idleWattsPerNode: number;
  readonly idleWattsOfMemoryX: number;
  /** The most that a core is said to draw: what the actions of a busy cycle may add up to. */
  readonly corePeakWatts: number;
}

export interface Groups {
  readonly core: CoreSpec;
  readonly fabric: FabricSpec;
  readonly swarmX: SwarmXSpec;
  readonly memoryX: MemoryXSpec;
  readonly energy: EnergySpec;
}

export const groupNames = ['core', 'fabric', 'swarmX', 'memoryX', 'energy'] as const satisfies readonly (keyof Groups)[];
