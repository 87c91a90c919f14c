/**
 * Sending a block of a sparse weight: its stored positions in the form that its tiles want, and the dense form beside it where that is faster.
 *
 *   values (forward order) ─copied, or gathered into delta order─▶ slot      indices and starts as they stand under the mask
 *
 * Before a gradient the positions alone go down, for a wafer keeps no weights. Not here: dense blocks (unit.ts).
 */
import type { BlockPlan, LinearPlan } from '../../compiler/program.js';
import { sparsePacket } from '../../spec/wafer.js';
import { floats, halves, words } from '../../tensor/shared-memory.js';
import type { FormPlace, SparsePlace } from '../layout.js';
import type { MaskInUse } from '../masks.js';
import type { Sender } from './dense-send.js';
import { sparseBlockAt, startsOfBlock, weightBytes, writeHead, type DenseAbove, type SparseBlock } from '../sparse-block.js';

/** Where MemoryX and the wafers keep their side of it; in staging there is room for a dense block, its stored values, and their indices where they are rounded by chance. */
export interface SparseSender extends Sender {
  readonly slot: number;
  readonly forms: 'fastest' | 'stored';
  readonly limits: DenseAbove;
  /** How full quads are (gradient-nodes.ts). */
  readonly quadFill: number;
  /** Bytes of a weight on a link. */
  readonly valueBytes: number;
}

type Pass = 'forward' | 'delta' | 'gradient';

const putStructure = ({ memory: home, arena }: SparseSender, block: SparseBlock, form: FormPlace, firstEntry: number, firstStart: number): void => {
  const entries = block.stored / block.lanes, count = startsOfBlock(block);
  halves(arena, block.indicesAt, entries).set(halves(home, form.indices + firstEntry * 2, entries));
  words(arena, block.startsAt, count).set(words(home, form.starts + firstStart * 4, count));
};

/** The stored values of a block, as they are sent: in place, or in staging behind the room of a dense block. */
const storedValues = (to: SparseSender, mask: MaskInUse, isDelta: boolean, first: number, stored: number, all: number): number => {
  const { kernels: k, rounding, weights } = to, { positions, delta } = mask.place, apart = to.staging + all * 4;
  if (isDelta) k.gather(apart, weights, delta.order + first * 4, stored);
  else if (rounding === null) return weights + first * 4;
  else k.copy(apart, weights + first * 4, stored * 4);
  if (rounding?.byChance === false) rounding.nearest(k, apart, stored);
  if (rounding?.byChance !== true) return apart;
  const indices = apart + all * 4;
  if (isDelta) k.gather(indices, positions, delta.order + first * 4, stored);
  rounding.listed(k, apart, isDelta ? indices : positions + first * 4, stored, to);
  return apart;
};

/** Writes a block into its slot. Returns the bytes that travel, and the stored positions. `bias`: values of the block's results, or null. */
export const sendSparse = (to: SparseSender, layer: LinearPlan, sparse: SparsePlace, mask: MaskInUse, pass: Pass, block: BlockPlan, number: number, bias: Float32Array | null): { readonly bytes: number; readonly stored: number } => {
  const isDelta = pass === 'delta', form = isDelta ? mask.place.delta : mask.place.forward;
  const n = isDelta ? layer.outputs : layer.inputs, lanes = sparse.fourRow && !isDelta ? 4 : 1;
  const [first = 0, next = 0] = words(to.memory, form.firstOf + number * 4, 2), [firstStart = 0] = words(to.memory, form.startsOf + number * 4, 1);
  const stored = next - first, density = stored / (n * block.count);
  const limit = pass === 'gradient' ? to.limits[lanes === 4 ? 'gradientFourRow' : 'gradient'] * to.quadFill : to.limits[pass === 'forward' && lanes === 4 ? 'fourRow' : pass];
  const shape = sparseBlockAt(to.slot, { n, m: block.count, stored, lanes, values: pass !== 'gradient', bias: bias !== null, dense: to.forms === 'fastest' && density > limit });
  writeHead(to.arena, to.slot, shape);
  putStructure(to, shape, form, first / lanes, firstStart);
  if (pass === 'gradient') return { bytes: stored === n * block.count ? 0 : stored * sparsePacket.indexBytes, stored };
  const all = n * block.count, values = storedValues(to, mask, isDelta, first, stored, all);
  floats(to.arena, shape.valuesAt, stored).set(floats(to.memory, values, stored));
  if (bias !== null) floats(to.arena, shape.biasAt, block.count).set(bias);
  if (shape.dense) {
    to.kernels.spread(to.staging, values, form.indices + (first / lanes) * 2, form.starts + firstStart * 4, n, block.count, lanes);
    floats(to.arena, shape.denseAt, all).set(floats(to.memory, to.staging, all));
  }
  return { bytes: weightBytes(stored, all, sparsePacket.indexBytes, to.valueBytes) + (bias === null ? 0 : block.count * to.valueBytes), stored };
};
