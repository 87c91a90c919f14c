/**
 * What counting a pass needs to know: program, deal, tree, and small sums that many passes ask for again.
 *
 * Not here: the deal's groups (shares.ts), passes themselves (passes.ts, tile-work.ts).
 */
import type { BatchShape } from '../cluster/deal.js';
import type { FanIn } from '../cluster/swarmx/tree.js';
import type { BlockPlan, Program } from '../compiler/program.js';
import { longestRun } from '../compiler/placement.js';
import { numberFormats } from '../model/precision.js';

export interface PlanContext {
  readonly program: Program;
  readonly batch: BatchShape;
  readonly fanIn: FanIn;
  /** Bytes of a weight and of an activation. */
  readonly weightBytes: number;
  readonly activationBytes: number;
  /** Features of the fullest column of a buffer; columns that hold any. */
  readonly fullest: (buffer: number) => number;
  readonly columns: (buffer: number) => number;
  /** Of `features` spread over the columns. */
  readonly fullestOf: (features: number) => number;
}

const once = <K, V>(make: (key: K) => V): ((key: K) => V) => {
  const known = new Map<K, V>();
  return (key) => {
    const found = known.get(key) ?? make(key);
    known.set(key, found);
    return found;
  };
};

export const contextOf = (program: Program, batch: BatchShape, fanIn: FanIn): PlanContext => {
  const fullest = once((edges: readonly number[]) => longestRun(edges));
  const columns = once((edges: readonly number[]) => edges.reduce((sum, edge, c) => sum + (c > 0 && edge > (edges[c - 1] as number) ? 1 : 0), 0));
  const edgesOf = (buffer: number): readonly number[] => program.buffers[buffer]?.featureEdges ?? [];
  return {
    program, batch, fanIn, weightBytes: numberFormats[program.numbers.weights].bytes, activationBytes: numberFormats[program.numbers.activations].bytes,
    fullest: (buffer) => fullest(edgesOf(buffer)), columns: (buffer) => columns(edgesOf(buffer)),
    fullestOf: (features) => Math.ceil(features / program.rectangle.cols),
  };
};

/** Σ over blocks of f(results of the block): lists have blocks of one size, and a last one. */
export const overBlocks = (blocks: readonly BlockPlan[], f: (count: number) => number): number => {
  const first = blocks[0], last = blocks[blocks.length - 1];
  if (first === undefined || last === undefined) return 0;
  return last.count === first.count ? blocks.length * f(first.count) : (blocks.length - 1) * f(first.count) + f(last.count);
};
