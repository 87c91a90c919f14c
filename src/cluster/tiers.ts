/**
 * Where a parameter's state is right now, if MemoryX has two tiers: objects come into rooms of DRAM and go.
 *
 *   place (addresses inside an object) + room of the object ─▶ addresses in memory;  −1: not in DRAM
 *
 * Whoever is told to work on a parameter finds what it needs in DRAM: the coordinator sees to it. Not here: who comes and goes (coordinator/residence.ts),
 * the objects themselves (memoryx/tiered-places.ts).
 */
import { assert } from '../util/errors.js';
import type { Piece } from './flash-blocks.js';
import { pageBytes, type ClusterLayout, type FormPlace, type MaskPlace, type ParameterPlace, type StateObject, type TierPlan } from './layout.js';

/** The address of an object's room; −1 if it has none. */
export const roomOf = (tiers: TierPlan, object: number): number => {
  const page = Atomics.load(new Int32Array(tiers.rooms), object);
  return page === 0 ? -1 : page * pageBytes;
};

/** An address in DRAM. @throws EmulatorBug for what is elsewhere */
export const inDram = (address: number): number => {
  assert(address >= 0, 'what a unit works on is in DRAM');
  return address;
};

const movedForm = <F extends FormPlace>(form: F, by: number): F => ({ ...form, indices: form.indices + by, starts: form.starts + by, firstOf: form.firstOf + by, startsOf: form.startsOf + by });

const movedMask = (mask: MaskPlace, by: number): MaskPlace => ({
  weights: [mask.weights[0] + by, mask.weights[1] + by],
  moments: mask.moments.map((moment) => moment + by),
  positions: mask.positions + by,
  forward: movedForm(mask.forward, by),
  delta: { ...movedForm(mask.delta, by), order: mask.delta.order + by },
  byIndex: mask.byIndex === 0 ? 0 : mask.byIndex + by,
});

type Places = Pick<ClusterLayout, 'memoryX' | 'tiers'>;

/** Where parameter `parameter` lies; addresses of what is not in DRAM are −1, and a sparse weight that is not has no masks. */
export const placeNow = ({ memoryX, tiers }: Places, parameter: number): ParameterPlace => {
  const place = memoryX.parameters[parameter];
  assert(place !== undefined, `parameter ${parameter} has a place`);
  if (tiers === null) return place;
  const group = tiers.groups[tiers.groupOf[parameter] as number];
  assert(group !== undefined, `parameter ${parameter} has a group`);
  const moved = (address: number, object: number | null): number => {
    const room = object === null ? -1 : roomOf(tiers, object);
    return room < 0 ? -1 : address + room;
  };
  const { gradient } = group, room = group.stored === null ? -1 : roomOf(tiers, group.stored);
  return {
    ...place,
    weights: group.weights === null ? place.weights : [moved(place.weights[0], group.weights[0]), moved(place.weights[1], group.weights[1])],
    moments: place.moments.map((moment) => moved(moment, group.moments)),
    gradients: place.gradients.map((address) => moved(address, gradient)),
    tableRoot: place.tableRoot === null ? null : moved(place.tableRoot, gradient),
    sparse: place.sparse === null ? null : {
      ...place.sparse,
      masks: room < 0 ? [] : place.sparse.masks.map((mask) => movedMask(mask, room)),
      dense: place.sparse.dense.map((address) => moved(address, gradient)),
    },
  };
};

/** A piece of the state on flash. Both versions of a group's weights are one piece, in the slot of their parity; gradients are scratch. */
export interface StatePiece extends Piece {
  readonly group: number;
  readonly kind: StateObject['kind'];
}

/** Pieces, and which of them each object is. */
export const piecesOf = (tiers: TierPlan): { readonly pieces: readonly StatePiece[]; readonly pieceOf: readonly number[] } => {
  const pieces: StatePiece[] = [], pieceOf: number[] = [];
  tiers.objects.forEach(({ kind, group, bytes }, object) => {
    const twin = tiers.groups[group]?.weights?.[0];
    if (kind === 'weights' && twin !== undefined && twin !== object) pieceOf[object] = pieceOf[twin] as number;
    else pieceOf[object] = pieces.push({ group, kind, bytes, scratch: kind === 'gradient' }) - 1;
  });
  return { pieces, pieceOf };
};
