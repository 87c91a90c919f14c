/**
 * The three products of one linear layer with a sparse weight as bare kernel calls over panels, in the stored form, as tiles make them when they sweep.
 *
 *   forward   linearStored (linearFourRow for pattern 'blocks')      delta   linearStored over delta order
 *   gradient  quad by quad: four slabs of x and of a block's deltas side by side ─▶ gradientStored ─▶ their node ─▶ the pile of nodes
 *
 * Blocks are the compiler's. Not here: dense products (plain-products.ts), the choice between the forms (src/cluster/sparse-block.ts).
 */
import { quadSlabs } from '../src/cluster/gradient-nodes.js';
import { NodePile } from '../src/cluster/tile/pile.js';
import { planBlocks } from '../src/compiler/blocks.js';
import { nodesMax, panelRowBytes, slabTokens, type Kernels } from '../src/kernels/types.js';
import type { MaskPattern } from '../src/model/sparsity.js';
import { structureOf, type BlockRun, type StoredForm, type StreamStructure } from '../src/sparsity/structure.js';
import { floats, halves, words, type MemoryPlan } from '../src/tensor/shared-memory.js';
import { roundUp } from '../src/util/units.js';
import type { Product } from './peers/protocol.js';
import type { LayerPlaces, LayerShape } from './plain-products.js';

/** A block, and the addresses of its stored form; `g`: of its gradient. */
interface BlockPlace extends BlockRun {
  readonly stored: number;
  readonly values: number;
  readonly indices: number;
  readonly starts: number;
  readonly g: number;
}

export interface SparseLayer {
  readonly shape: LayerShape;
  readonly lanes: 1 | 4;
  readonly structure: StreamStructure;
  readonly forward: readonly BlockPlace[];
  readonly delta: readonly BlockPlace[];
  readonly quadX: number;
  readonly quadDy: number;
  readonly pile: number;
}

/** Values are read four at a time, also behind the last. */
const nodeBytes = (stored: number): number => roundUp(stored, 16) * 4;
const widest = (blocks: readonly BlockRun[]): number => Math.max(...blocks.map(({ count }) => count));

const placesOf = (plan: MemoryPlan, blocks: readonly BlockRun[], { firstOf, startsOf }: StoredForm, lanes: number): BlockPlace[] =>
  blocks.map(({ first, count }, b) => {
    const stored = (firstOf[b + 1] as number) - (firstOf[b] as number), starts = (startsOf[b + 1] as number) - (startsOf[b] as number);
    return { first, count, stored, values: plan.reserve(nodeBytes(stored)), indices: plan.reserve((stored / lanes) * 2 + 8), starts: plan.reserve(starts * 4), g: plan.reserve(nodeBytes(stored)) };
  });

/** The structure of a mask, and room for it. */
export const planSparseLayer = (plan: MemoryPlan, shape: LayerShape, pattern: MaskPattern, mask: Uint8Array): SparseLayer => {
  const { inputs, outputs, panels } = shape, lanes = pattern === 'blocks' ? 4 : 1;
  const forward = planBlocks(inputs, outputs), delta = planBlocks(outputs, inputs), structure = structureOf(mask, inputs, outputs, lanes === 4 ? 'blocks' : 'unstructured', forward, delta);
  const places = placesOf(plan, forward, structure.forward, lanes);
  return {
    shape, lanes, structure, forward: places, delta: placesOf(plan, delta, structure.delta, 1),
    quadX: plan.reserve(inputs * panelRowBytes * quadSlabs), quadDy: plan.reserve(widest(forward) * panelRowBytes * quadSlabs),
    pile: plan.reserve((nodesMax(panels) + 1) * nodeBytes(Math.max(...places.map(({ stored }) => stored)))),
  };
};

/** Puts the structure, and the values of a dense weight's stored positions, where the products read them. */
export const fillSparseLayer = (memory: WebAssembly.Memory, { structure, forward, delta, lanes }: SparseLayer, weight: Float32Array): void => {
  const put = (blocks: readonly BlockPlace[], { indices, starts, firstOf, startsOf }: StoredForm, each: number, valueAt: (place: number) => number): void =>
    blocks.forEach((block, b) => {
      const first = firstOf[b] as number, own = indices.subarray(first / each, (first + block.stored) / each), runs = starts.subarray(startsOf[b], startsOf[b + 1]), values = floats(memory, block.values, block.stored);
      halves(memory, block.indices, own.length).set(own);
      words(memory, block.starts, runs.length).set(runs);
      for (let i = 0; i < values.length; i++) values[i] = valueAt(first + i);
    });
  put(forward, structure.forward, lanes, (place) => weight[structure.positions[place] as number] as number);
  put(delta, structure.delta, 1, (place) => weight[structure.positions[structure.delta.order[place] as number] as number] as number);
};

export const sparseProducts = (k: Kernels, layer: SparseLayer, at: Pick<LayerPlaces, 'x' | 'y' | 'dx'>): Readonly<Record<Product, () => void>> => {
  const { shape: { inputs, outputs, panels }, lanes, quadX, quadDy } = layer;
  if (panels % quadSlabs !== 0) throw new Error('quads are whole in this benchmark');
  const xStride = inputs * panelRowBytes, yStride = outputs * panelRowBytes, tokens = slabTokens * 0x01010101;
  const [linear, gradient] = lanes === 4 ? [k.linearFourRow, k.gradientFourRow] : [k.linearStored, k.gradientStored];
  return {
    forward: () => layer.forward.forEach(({ first, count, values, indices, starts }) => linear(at.y + first * panelRowBytes, yStride, at.x, xStride, values, indices, starts, inputs, count, panels)),
    delta: () => layer.delta.forEach(({ first, count, values, indices, starts }) => k.linearStored(at.dx + first * panelRowBytes, xStride, at.y, yStride, values, indices, starts, outputs, count, panels)),
    gradient: () => layer.forward.forEach(({ first, count, stored, indices, starts, g }) => {
      const pile = new NodePile(k, layer.pile, nodeBytes(stored), 1);
      for (let p = 0; p < panels; p += quadSlabs) {
        k.quad(quadX, at.x + p * xStride, xStride, inputs, quadSlabs);
        k.quad(quadDy, at.y + p * yStride + first * panelRowBytes, yStride, count, quadSlabs);
        gradient(pile.top, nodeBytes(stored), quadX, quadDy, indices, starts, inputs, count, tokens, quadSlabs, 1);
        pile.push([{ level: 2, index: p / quadSlabs, slot: 0 }]);
      }
      k.copy(g, layer.pile, stored * 4);
    }),
  };
};

/** The gradient at every position, +0 where nothing is stored. */
export const denseGradient = (memory: WebAssembly.Memory, { shape: { inputs, outputs }, structure, forward }: SparseLayer): Float32Array => {
  const dense = new Float32Array(inputs * outputs);
  forward.forEach(({ stored, g }, b) => floats(memory, g, stored).forEach((value, i) => void (dense[structure.positions[(structure.forward.firstOf[b] as number) + i] as number] = value)));
  return dense;
};
