/**
 * Embedding tables beside MemoryX: rows gathered for each band's samples on the way down, gradients of rows on the way up.
 *
 *   down   ids + table ─▶ panel ─▶ a band's entry buffer           only the rows that a micro-batch needs
 *   up     turned deltas ─leaf of each slab─▶ row nodes ─token tree of every row─▶ dense gradient
 *
 * A row that a slab lacks is an absent leaf: its sibling passes unchanged (numerics contract, rule 9). Rows of a node lie anywhere in a
 * pool; merging two nodes adds the rows that both have and adopts the others. Not here: the update (update.ts).
 */
import { nodeAlign, panelRowBytes, slabTokens, type Kernels } from '../../kernels/types.js';
import type { Layer } from '../../model/graph.js';
import { floats, words } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { roundUp } from '../../util/units.js';
import { samplesIn, type BatchShape, type MicroBatch, type SlabRange } from '../deal.js';
import type { BandPlan, ClusterLayout, EmbeddingPlace, ParameterPlace } from '../layout.js';

/** An inner node of all rows' trees over the same leaves: pool rows by table row. */
interface RowNode {
  level: number;
  index: number;
  readonly rows: Map<number, number>;
}

export interface EmbeddingSide {
  gather(table: number, microBatch: MicroBatch, band: BandPlan, unit: number): number;
  scatter(microBatch: MicroBatch, last: boolean): void;
  restart(): void;
}

export const embeddingSide = (layout: ClusterLayout, place: EmbeddingPlace, layer: Extract<Layer, { kind: 'embedding' }>, kernels: Kernels): EmbeddingSide => {
  const memory = layout.memoryXMemories[place.memory];
  const parameter = layout.memoryX.parameters[layer.table];
  assert(memory !== undefined && parameter !== undefined, 'the table has a place');
  const entry = layout.program.passes[0];
  assert(entry?.op === 'gather', 'a program with an embedding begins with its gather');
  const { context, dim, features } = layer;
  const panelFloats = features * slabTokens;
  const idBytes = slabTokens * context * 4;
  const width = roundUp(features, nodeAlign);
  const shareOfBand = (microBatch: MicroBatch, band: BandPlan): SlabRange => {
    const wafer = microBatch.wafers[band.wafer] as SlabRange;
    return { first: wafer.first + band.firstSlab, count: Math.max(0, Math.min(band.slabs, wafer.count - band.firstSlab)) };
  };
  const idsAt = (microBatch: MicroBatch, slab: number): number => place.ids + (slab - microBatch.first) * idBytes;
  const tokensIn = (slab: number, batch: BatchShape): number => samplesIn({ first: slab, count: 1 }, batch);

  const tree = rowTree(place, parameter, dim, layer.vocabulary, kernels);
  return {
    gather(table, microBatch, band, unit) {
      const share = shareOfBand(microBatch, band);
      const panel = place.panels[unit] as number;
      for (let p = 0; p < share.count; p++) {
        const slab = share.first + p;
        kernels.embeddingGather(panel, table, idsAt(microBatch, slab), context, dim, tokensIn(slab, layout.batch));
        floats(layout.arenaMemory, (band.buffers[entry.buffer] as number) + p * features * panelRowBytes, panelFloats).set(floats(memory, panel, panelFloats));
      }
      return share.count === 0 ? 0 : samplesIn(share, layout.batch) * context;
    },

    scatter(microBatch, last) {
      const panel = place.panels[0] as number;
      for (const band of layout.arena.bands) {
        const share = shareOfBand(microBatch, band);
        for (let p = 0; p < share.count; p++) {
          const slab = share.first + p, tokens = tokensIn(slab, layout.batch);
          floats(memory, panel, slabTokens * width).set(floats(layout.arenaMemory, band.scatter + p * slabTokens * width * 4, slabTokens * width));
          const ids = words(memory, idsAt(microBatch, slab), tokens * context), slots = words(memory, place.slots, tokens * context);
          const rows = tree.leaf(ids, slots);
          kernels.embeddingLeaf(place.rows, panel, place.slots, context, dim, width, tokens);
          tree.push({ level: 0, index: slab, rows });
        }
      }
      if (last) tree.finish();
    },

    restart: () => tree.clear(),
  };
};

const rowTree = (place: EmbeddingPlace, parameter: ParameterPlace, dim: number, vocabulary: number, kernels: Kernels) => {
  const rowBytes = dim * 4;
  const at = (row: number): number => place.rows + row * rowBytes;
  const stack: RowNode[] = [];
  let free: number[] = [];
  let used = 0;
  const take = (): number => {
    const row = free.pop() ?? used++;
    assert(row < place.rowsMax, 'the pool of gradient rows is as large as the tree can need');
    return row;
  };
  const mergeTop = (): void => {
    const right = stack.pop() as RowNode, left = stack[stack.length - 1] as RowNode;
    for (const [id, row] of right.rows) {
      const mine = left.rows.get(id);
      if (mine === undefined) left.rows.set(id, row);
      else {
        kernels.add(at(mine), at(mine), at(row), dim);
        free.push(row);
      }
    }
    left.level++;
    left.index /= 2;
  };
  const clear = (): void => {
    stack.length = 0;
    free = [];
    used = 0;
  };

  return {
    /** A cleared pool row for every distinct id; slots[i] is the one of ids[i]. */
    leaf(ids: Int32Array, slots: Int32Array): Map<number, number> {
      const rows = new Map<number, number>();
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i] as number;
        let row = rows.get(id);
        if (row === undefined) {
          row = take();
          kernels.clear(at(row), rowBytes);
          rows.set(id, row);
        }
        slots[i] = row;
      }
      return rows;
    },
    push(node: RowNode): void {
      stack.push(node);
      for (;;) {
        const right = stack[stack.length - 1] as RowNode, left = stack[stack.length - 2];
        if (left === undefined || left.level !== right.level || left.index % 2 !== 0 || left.index + 1 !== right.index) return;
        mergeTop();
      }
    },
    /** The batch is complete: the root becomes the table's dense gradient. */
    finish(): void {
      while (stack.length > 1) mergeTop();
      const gradient = parameter.gradients[0] as number;
      kernels.clear(gradient, vocabulary * rowBytes);
      for (const [id, row] of stack[0]?.rows ?? []) kernels.copy(gradient + id * rowBytes, at(row), rowBytes);
      clear();
    },
    clear,
  };
};
