/**
 * Arbitrary machines: everything about a cluster and the way a batch is cut that must never show in a bit.
 *
 * Not here: what is trained on them (models.ts, optimizers.ts).
 */
import fc from 'fast-check';
import type { Logits, Recompute } from '../compiler/program.js';
import { specs, type ClusterOptions, type Model, type TrainOptions, type WaferSpec } from '../index.js';
import { resolveSparsity } from '../sparsity/plan.js';

/** A machine and the way it is used: the options of `Cluster.start`, and those of `train` that must not show in a bit. */
export interface ClusterShape extends ClusterOptions {
  /** Units that one CS-2 works on at a time: slabs of 32 single tokens, or sequences. */
  readonly microBatchUnits?: number;
  readonly recompute?: Recompute | 'auto';
  readonly logits?: Logits | 'auto';
}

/** Logits over a sparse weight are always held. */
const hasSparseHead = (model: Model, { sparsity, steps }: TrainOptions): boolean => {
  const head = model.layers[model.layers.length - 2];
  return sparsity !== undefined && head?.kind === 'linear' && resolveSparsity(model, sparsity, steps).some(({ plan }) => plan.parameter === head.weight);
};

/** A shape taken apart for a model: what goes to `Cluster.start`, and what to `train`. */
export const optionsOn = (shape: ClusterShape, model: Model, options: TrainOptions): { readonly cluster: ClusterOptions; readonly training: TrainOptions } => {
  const { microBatchUnits, recompute, logits: wanted, ...cluster } = shape, logits = wanted === 'streamed' && hasSparseHead(model, options) ? 'held' : wanted;
  const microBatchSize = microBatchUnits === undefined ? undefined : model.tokensPerSample > 1 ? microBatchUnits : 32 * microBatchUnits;
  return { cluster, training: { ...options, ...(microBatchSize === undefined ? {} : { microBatchSize }), ...(recompute === undefined ? {} : { recompute }), ...(logits === undefined ? {} : { logits }) } };
};

/** What `aClusterShape` may draw. */
export interface ShapeOptions {
  /** 'local' (default: one thread, a drawn order of turns) or 'thread'. */
  readonly dispatcher?: 'local' | 'thread';
  /** Most systems; 192 unless given. */
  readonly numCsxMax?: number;
  /** Most threads; 5 unless given. */
  readonly threadsMax?: number;
}

/** A WSE-2 whose tiles hold any layer of a test: an arbitrary rectangle then always fits, and no bit depends on the size of SRAM. */
export const roomyWafer: WaferSpec = { ...specs.wse2, name: 'WSE-2 with roomy tiles', sramBytesPerTile: 2 ** 26 };

const aSide = (): fc.Arbitrary<number> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, { weight: 5, arbitrary: fc.integer({ min: 2, max: 9 }) }, { weight: 1, arbitrary: fc.integer({ min: 10, max: 70 }) });

/** Systems from 1 to 192, mostly few; threads; rectangles with one row, one column or odd sides, or 'auto'; micro-batches; recomputation; logits held or streamed; fan-in; sweep; order of turns; kernels. */
export const aClusterShape = (options: ShapeOptions = {}): fc.Arbitrary<ClusterShape> => {
  const { dispatcher = 'local', numCsxMax = 192, threadsMax = 5 } = options;
  const upTo = (low: number, high: number): fc.Arbitrary<number> => fc.integer({ min: Math.min(low, numCsxMax), max: Math.min(high, numCsxMax) });
  return fc
    .record({
      numCsx: fc.oneof({ weight: 8, arbitrary: upTo(1, 8) }, { weight: 2, arbitrary: upTo(9, 40) }, { weight: 1, arbitrary: upTo(41, 192) }),
      threads: fc.integer({ min: 1, max: threadsMax }),
      rows: aSide(),
      cols: aSide(),
      wafer: fc.oneof({ weight: 4, arbitrary: fc.constant('given' as const) }, { weight: 1, arbitrary: fc.constant('auto' as const) }),
      microBatchUnits: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
      recompute: fc.constantFrom('auto' as const, 'none' as const, 'attention' as const, 'block' as const, 'offload' as const),
      logits: fc.constantFrom('auto' as const, 'streamed' as const),
      fanIn: fc.constantFrom(2 as const, 4 as const),
      sweep: fc.oneof({ weight: 4, arbitrary: fc.constant('band' as const) }, { weight: 1, arbitrary: fc.constant('tile' as const) }),
      scheduleSeed: fc.option(fc.nat(), { nil: undefined }),
      kernels: fc.oneof({ weight: 6, arbitrary: fc.constant('auto' as const) }, { weight: 1, arbitrary: fc.constant('simd128' as const) }, { weight: 1, arbitrary: fc.constant('twin' as const) }),
    })
    .map(({ rows, cols, wafer, microBatchUnits, scheduleSeed, sweep, ...rest }): ClusterShape => {
      // Tiles that work one by one are slow: fewer of them show as much.
      const side = (n: number): number => (sweep === 'tile' ? Math.min(n, 9) : n);
      return {
        ...rest,
        dispatcher,
        sweep,
        wafer: wafer === 'auto' ? 'auto' : { rows: side(rows), cols: side(cols), spec: roomyWafer },
        ...(microBatchUnits === undefined ? {} : { microBatchUnits }),
        ...(scheduleSeed === undefined || dispatcher === 'thread' ? {} : { scheduleSeed }),
      };
    });
};
