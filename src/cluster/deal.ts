/**
 * The deal: which slabs of the global batch every wafer holds in every micro-batch.
 *
 *   global batch ─▶ micro-batches ─▶ wafers           each a contiguous range of slabs, so a range of the token tree
 *
 * Micro-batches follow each other in the batch, and inside one the wafers do, so that SwarmX can merge what the wafers of one
 * micro-batch hold (docs/decisions/0002). Range edges lie on slabs; among splits with the same largest share, edges with
 * many trailing zero bits are preferred: they leave fewer nodes.
 * Not here: which samples they are (input/), which rows hold them (the program).
 */
import { InvalidConfig } from '../util/errors.js';
import { ceilDiv } from '../util/units.js';

/** Consecutive slabs of the global batch. */
export interface SlabRange {
  readonly first: number;
  readonly count: number;
}

export interface MicroBatch extends SlabRange {
  /** One range a wafer, in order; together they are this micro-batch. */
  readonly wafers: readonly SlabRange[];
}

/** The shape of a global batch: plain data, from which every actor derives the same deal. */
export interface BatchShape {
  /** Samples of the global batch. */
  readonly samples: number;
  /** Tokens of a sample; where it is 1, a slab is 32 samples. */
  readonly tokensPerSample: number;
  readonly numCsx: number;
  /** Most slabs that one wafer holds at a time. */
  readonly slabsPerWafer: number;
  readonly slabTokens: number;
}

const trailingZeros = (n: number): number => (n === 0 ? 31 : 31 - Math.clz32(n & -n));

/** Edges of `parts` contiguous shares of first … first+count−1, none above the even share rounded up. */
const alignedEdges = (first: number, count: number, parts: number): number[] => {
  const share = ceilDiv(count, parts);
  const edges = [first];
  for (let part = 1; part < parts; part++) {
    const before = edges[part - 1] as number;
    const ideal = first + Math.round((part * count) / parts);
    const low = Math.max(before, first + count - (parts - part) * share), high = Math.min(before + share, first + count);
    let best = low;
    for (let edge = low; edge <= high; edge++) {
      const gain = Math.min(trailingZeros(edge), trailingZeros(share) + 1) - Math.min(trailingZeros(best), trailingZeros(share) + 1);
      if (gain > 0 || (gain === 0 && Math.abs(edge - ideal) < Math.abs(best - ideal))) best = edge;
    }
    edges.push(best);
  }
  edges.push(first + count);
  return edges;
};

/** Slabs of one sample. Wafers hold whole samples, so this many slabs are never torn apart. */
export const slabsOfSample = (shape: Pick<BatchShape, 'tokensPerSample' | 'slabTokens'>): number => ceilDiv(shape.tokensPerSample, shape.slabTokens);

/** Every micro-batch of a step, in order. */
export const dealBatch = (shape: BatchShape): MicroBatch[] => {
  const together = slabsOfSample(shape);
  const units = shape.tokensPerSample === 1 ? ceilDiv(shape.samples, shape.slabTokens) : shape.samples;
  const perMicroBatch = Math.min(units, shape.numCsx * (shape.slabsPerWafer / together));
  return Array.from({ length: ceilDiv(units, perMicroBatch) }, (_, m) => {
    const first = m * perMicroBatch;
    const count = Math.min(perMicroBatch, units - first);
    const edges = alignedEdges(first, count, shape.numCsx).map((edge) => edge * together);
    const wafers = Array.from({ length: shape.numCsx }, (_, w) => ({ first: edges[w] as number, count: (edges[w + 1] as number) - (edges[w] as number) }));
    return { first: first * together, count: count * together, wafers };
  });
};

/** Tokens that exist in a slab of the global batch. */
export const tokensInSlab = (slab: number, shape: BatchShape): number => {
  const { slabTokens, tokensPerSample, samples } = shape;
  const [total, place] = tokensPerSample === 1 ? [samples, slab] : [tokensPerSample, slab % slabsOfSample(shape)];
  return Math.max(0, Math.min(slabTokens, total - place * slabTokens));
};

/** Tokens that exist in a range of slabs. */
export const tokensIn = (range: SlabRange, shape: BatchShape): number => {
  let tokens = 0;
  for (let slab = range.first; slab < range.first + range.count; slab++) tokens += tokensInSlab(slab, shape);
  return tokens;
};

/** Lanes that a range of slabs takes up: the last ones may be missing, those between samples are there. */
export const lanesIn = (range: SlabRange, shape: BatchShape): number =>
  range.count === 0 ? 0 : (range.count - 1) * shape.slabTokens + tokensInSlab(range.first + range.count - 1, shape);

/**
 * Slabs that a wafer holds at a time. Without `microBatchSize` (samples a CS-2) the whole share.
 *
 * @throws InvalidConfig for single tokens and a size off the slab edges, naming the nearest that lies on one
 */
export const slabsPerWafer = (samples: number, numCsx: number, slabTokens: number, microBatchSize: number | undefined, tokensPerSample = 1): number => {
  const together = slabsOfSample({ tokensPerSample, slabTokens });
  const whole = ceilDiv(tokensPerSample === 1 ? ceilDiv(samples, slabTokens) : samples, numCsx) * together;
  if (microBatchSize === undefined) return whole;
  if (!Number.isInteger(microBatchSize) || microBatchSize < 1) {
    throw new InvalidConfig({ what: 'microBatchSize', value: microBatchSize, limit: 'a whole number of samples ≥ 1' });
  }
  if (microBatchSize >= samples) return whole;
  if (tokensPerSample > 1) return Math.min(whole, microBatchSize * together);
  if (microBatchSize % slabTokens !== 0) {
    const nearest = Math.max(slabTokens, Math.round(microBatchSize / slabTokens) * slabTokens);
    throw new InvalidConfig({
      what: 'microBatchSize does not end on a slab', value: microBatchSize, limit: `a multiple of ${slabTokens} samples`, hint: `use ${nearest}`,
    });
  }
  return Math.min(whole, microBatchSize / slabTokens);
};
