/**
 * Sending a block of a sparse weight: its stored positions in the form that its tiles want, and the dense form beside it where that is faster.
 *
 *   values (forward order) ─copied, or gathered into delta order─▶ slot      indices and starts as they stand under the mask
 *
 * Before a gradient the positions alone go down, for a wafer keeps no weights. Not here: dense blocks (unit.ts).
 */
import type { BlockPlan, LinearPlan } from '../../compiler/program.js';
import type { Kernels } from '../../kernels/types.js';
import { sparsePacket } from '../../spec/wafer.js';
import { floats, halves, words } from '../../tensor/shared-memory.js';
import type { FormPlace, SparsePlace } from '../layout.js';
import type { MaskInUse } from '../masks.js';
import { sparseBlockAt, startsOfBlock, weightBytes, writeHead, type DenseAbove, type SparseBlock } from '../sparse-block.js';

/** Where MemoryX and the wafers keep their side of it. */
export interface SparseSender {
  readonly home: WebAssembly.Memory;
  readonly kernels: Kernels;
  /** Room for a dense block and its stored values in the home memory. */
  readonly staging: number;
  readonly arena: WebAssembly.Memory;
  readonly slot: number;
  readonly forms: 'fastest' | 'stored';
  readonly limits: DenseAbove;
  /** How full quads are (gradient-nodes.ts). */
  readonly quadFill: number;
}

type Pass = 'forward' | 'delta' | 'gradient';

const putStructure = ({ home, arena }: SparseSender, block: SparseBlock, form: FormPlace, firstEntry: number, firstStart: number): void => {
  const entries = block.stored / block.lanes, count = startsOfBlock(block);
  halves(arena, block.indicesAt, entries).set(halves(home, form.indices + firstEntry * 2, entries));
  words(arena, block.startsAt, count).set(words(home, form.starts + firstStart * 4, count));
};

/** Writes a block into its slot. Returns the bytes that travel, and the stored positions. `bias`: values of the block's results, or null. */
export const sendSparse = (to: SparseSender, layer: LinearPlan, sparse: SparsePlace, mask: MaskInUse, pass: Pass, block: BlockPlan, number: number, weights: number, bias: Float32Array | null): { readonly bytes: number; readonly stored: number } => {
  const isDelta = pass === 'delta', form = isDelta ? mask.place.delta : mask.place.forward;
  const n = isDelta ? layer.outputs : layer.inputs, lanes = sparse.fourRow && !isDelta ? 4 : 1;
  const [first = 0, next = 0] = words(to.home, form.firstOf + number * 4, 2), [firstStart = 0] = words(to.home, form.startsOf + number * 4, 1);
  const stored = next - first, density = stored / (n * block.count);
  const limit = pass === 'gradient' ? to.limits[lanes === 4 ? 'gradientFourRow' : 'gradient'] * to.quadFill : to.limits[pass === 'forward' && lanes === 4 ? 'fourRow' : pass];
  const shape = sparseBlockAt(to.slot, { n, m: block.count, stored, lanes, values: pass !== 'gradient', bias: bias !== null, dense: to.forms === 'fastest' && density > limit });
  writeHead(to.arena, to.slot, shape);
  putStructure(to, shape, form, first / lanes, firstStart);
  if (pass === 'gradient') return { bytes: stored === n * block.count ? 0 : stored * sparsePacket.indexBytes, stored };
  const all = n * block.count, values = isDelta ? to.staging + all * 4 : weights + first * 4;
  if (isDelta) to.kernels.gather(values, weights, mask.place.delta.order + first * 4, stored);
  floats(to.arena, shape.valuesAt, stored).set(floats(to.home, values, stored));
  if (bias !== null) floats(to.arena, shape.biasAt, block.count).set(bias);
  if (shape.dense) {
    to.kernels.spread(to.staging, values, form.indices + (first / lanes) * 2, form.starts + firstStart * 4, n, block.count, lanes);
    floats(to.arena, shape.denseAt, all).set(floats(to.home, to.staging, all));
  }
  return { bytes: weightBytes(stored, all, sparsePacket.indexBytes) + (bias === null ? 0 : block.count * 4), stored };
};
