/**
 * Embedding tables beside MemoryX: rows gathered for each band's samples on the way down, gradients of rows on the way up.
 *
 *   down   ids + table (+ positions) ─▶ panel ─▶ a band's entry buffer           only the rows that a micro-batch needs
 *   up     turned deltas ─leaf of each slab─▶ row nodes ─token tree of every row─▶ dense gradient
 *
 * A row that a slab lacks is an absent leaf: its sibling passes unchanged (numerics contract, rule 9). Positions are a second table whose ids are
 * the tokens' places. Not here: the tree of rows (row-tree.ts), the update (update.ts).
 */
import { nodeAlign, panelRowBytes, slabTokens, type Kernels } from '../../kernels/types.js';
import { floats, words } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { roundUp } from '../../util/units.js';
import { slabsOfSample, tokensIn, tokensInSlab, type MicroBatch, type SlabRange } from '../deal.js';
import type { BandPlan, ClusterLayout, EmbeddingPlace } from '../layout.js';
import { inDram, placeNow } from '../tiers.js';
import { leafOf } from '../token-tree.js';
import type { WeightRounding } from './rounding.js';
import { rowTree } from './row-tree.js';

export interface EmbeddingSide {
  /** Gathers a band's rows of all tables; `tables`: addresses of their weights. Returns the rows of the first. */
  gather(tables: readonly number[], step: number, microBatch: MicroBatch, band: BandPlan, unit: number): number;
  scatter(microBatch: MicroBatch, last: boolean): void;
  restart(): void;
}

export const embeddingSide = (layout: ClusterLayout, places: readonly EmbeddingPlace[], kernelsOf: (memory: number) => Kernels, rounding: WeightRounding | null): EmbeddingSide => {
  const { program, batch } = layout;
  const first = places[0];
  assert(first !== undefined, 'there is a table');
  const entry = program.passes[0], exit = program.passes[program.passes.length - 1];
  assert(entry?.op === 'gather', 'a program with an embedding begins with its gather');
  const features = first.context * first.dim, panelFloats = features * slabTokens, width = roundUp(features, nodeAlign);
  const together = slabsOfSample(batch);
  const memoryOf = (place: EmbeddingPlace): WebAssembly.Memory => {
    const memory = layout.memoryXMemories[place.memory];
    assert(memory !== undefined, `memory ${place.memory} exists`);
    return memory;
  };
  const shareOfBand = (microBatch: MicroBatch, band: BandPlan): SlabRange => {
    const wafer = microBatch.wafers[band.wafer] as SlabRange;
    return { first: wafer.first + band.firstSlab, count: Math.max(0, Math.min(band.slabs, wafer.count - band.firstSlab)) };
  };
  const idsAt = (place: EmbeddingPlace, microBatch: MicroBatch, slab: number): number => place.ids + (slab - microBatch.first) * slabTokens * place.context * 4;
  /** Ids of a table by place: written where they are needed, since they are known. */
  const fillPlaces = (place: EmbeddingPlace, microBatch: MicroBatch, slab: number, tokens: number): void => {
    if (!place.byPlace) return;
    const ids = words(memoryOf(place), idsAt(place, microBatch, slab), slabTokens), from = (slab % together) * slabTokens;
    for (let t = 0; t < slabTokens; t++) ids[t] = t < tokens ? from + t : 0;
  };
  /** Rounds a gathered panel; `spare`: room for the dense index of each of its values. */
  const roundRows = (k: Kernels, by: WeightRounding, place: EmbeddingPlace, at: { readonly rows: number; readonly spare: number; readonly ids: number }, step: number): void => {
    if (!by.byChance) {
      by.nearest(k, at.rows, panelFloats);
      return;
    }
    const { context, dim, parameter } = place, ids = words(memoryOf(place), at.ids, slabTokens * context), indices = words(memoryOf(place), at.spare, panelFloats);
    for (let c = 0; c < context; c++) for (let d = 0; d < dim; d++) for (let t = 0; t < slabTokens; t++) indices[(c * dim + d) * slabTokens + t] = (ids[t * context + c] as number) * dim + d;
    by.listed(k, at.rows, at.spare, panelFloats, { parameter, step });
  };
  const rootOf = (parameter: number): number => {
    const { tableRoot, gradients } = placeNow(layout, parameter);
    return inDram(tableRoot ?? (gradients[0] as number));
  };
  const trees = places.map((place) => rowTree(place, () => rootOf(place.parameter), together, kernelsOf(place.memory)));

  return {
    gather(tables, step, microBatch, band, unit) {
      const share = shareOfBand(microBatch, band), panel = first.panels[unit] as number, home = memoryOf(first);
      for (let p = 0; p < share.count; p++) {
        const slab = share.first + p, tokens = tokensInSlab(slab, batch);
        places.forEach((place, i) => {
          const k = kernelsOf(place.memory), to = place.panels[unit] as number;
          fillPlaces(place, microBatch, slab, tokens);
          const rows = i === 0 ? to : (place.sums[unit] as number), spare = i === 0 ? (place.sums[unit] as number) : to;
          k.embeddingGather(rows, tables[i] as number, idsAt(place, microBatch, slab), place.context, place.dim, tokens);
          if (rounding !== null) roundRows(k, rounding, place, { rows, spare, ids: idsAt(place, microBatch, slab) }, step);
          if (i === 0) return;
          const sum = first.sums[unit] as number;
          if (place.memory !== first.memory) floats(home, sum, panelFloats).set(floats(memoryOf(place), place.sums[unit] as number, panelFloats));
          kernelsOf(first.memory).add(panel, panel, place.memory === first.memory ? (place.sums[unit] as number) : sum, panelFloats);
        });
        floats(layout.arenaMemory, (band.buffers[entry.buffer] as number) + p * features * panelRowBytes, panelFloats).set(floats(home, panel, panelFloats));
      }
      return share.count === 0 ? 0 : tokensIn(share, batch) * first.context;
    },

    scatter(microBatch, last) {
      assert(exit?.op === 'scatter', 'a program with an embedding ends with its scatter');
      for (const band of layout.arena.bands) {
        const share = shareOfBand(microBatch, band);
        for (let p = 0; p < share.count; p++) {
          const slab = share.first + p, tokens = tokensInSlab(slab, batch);
          places.forEach((place, i) => {
            const memory = memoryOf(place), panel = place.panels[0] as number, tree = trees[i];
            floats(memory, panel, slabTokens * width).set(floats(layout.arenaMemory, band.scatter + p * slabTokens * width * 4, slabTokens * width));
            fillPlaces(place, microBatch, slab, tokens);
            const ids = words(memory, idsAt(place, microBatch, slab), tokens * place.context), slots = words(memory, place.slots, tokens * place.context);
            const rows = tree?.leaf(ids, slots);
            kernelsOf(place.memory).embeddingLeaf(place.rows, panel, place.slots, place.context, place.dim, width, tokens);
            if (rows !== undefined) tree?.push({ level: 0, index: leafOf(slab, together), rows });
          });
        }
      }
      if (last) for (const tree of trees) tree.finish();
    },

    restart: () => trees.forEach((tree) => tree.clear()),
  };
};
