/**
 * Arbitrary machines: everything about a cluster and the way a batch is cut that must never show in a bit.
 *
 * Not here: what is trained on them (models.ts, optimizers.ts).
 */
import fc from 'fast-check';
import { specs, type ClusterOptions, type WaferSpec } from '../index.js';

/** A machine and the cut of its batch: the options of `Cluster.start`, and `microBatchSize` of `train`. */
export interface ClusterShape extends ClusterOptions {
  readonly microBatchSize?: number;
}

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

/** Systems from 1 to 192, mostly few; threads; rectangles with one row, one column or odd sides, or 'auto'; micro-batches; fan-in; sweep; order of turns; kernels. */
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
      microBatchSize: fc.option(fc.integer({ min: 1, max: 5 }).map((slabs) => slabs * 32), { nil: undefined }),
      fanIn: fc.constantFrom(2 as const, 4 as const),
      sweep: fc.oneof({ weight: 4, arbitrary: fc.constant('band' as const) }, { weight: 1, arbitrary: fc.constant('tile' as const) }),
      scheduleSeed: fc.option(fc.nat(), { nil: undefined }),
      kernels: fc.oneof({ weight: 6, arbitrary: fc.constant('auto' as const) }, { weight: 1, arbitrary: fc.constant('simd128' as const) }, { weight: 1, arbitrary: fc.constant('twin' as const) }),
    })
    .map(({ rows, cols, wafer, microBatchSize, scheduleSeed, sweep, ...rest }): ClusterShape => {
      // Tiles that work one by one are slow: fewer of them show as much.
      const side = (n: number): number => (sweep === 'tile' ? Math.min(n, 9) : n);
      return {
        ...rest,
        dispatcher,
        sweep,
        wafer: wafer === 'auto' ? 'auto' : { rows: side(rows), cols: side(cols), spec: roomyWafer },
        ...(microBatchSize === undefined ? {} : { microBatchSize }),
        ...(scheduleSeed === undefined || dispatcher === 'thread' ? {} : { scheduleSeed }),
      };
    });
};
