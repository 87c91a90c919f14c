/**
 * What a flash store says of itself: whose state it is, and where in its pieces each tensor lies; enough to read it without the program that wrote it.
 *
 *   parameter ─▶ piece, byte of its weights and moments      a sparse one: of two masks' positions, weights and moments
 *
 * Not here: the pieces' blocks (cluster/flash-blocks.ts), reading them (stored-state.ts).
 */
import type { ClusterLayout, TierPlan } from '../cluster/layout.js';
import { piecesOf } from '../cluster/tiers.js';
import type { Contract } from './contract.js';

export interface StoredMask {
  readonly positions: number;
  readonly weights: readonly [number, number];
  readonly moments: readonly number[];
}

/** Where one parameter's state lies: pieces by number, places in bytes from the beginning of the piece. */
export interface StoredParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly weights: { readonly piece: number; readonly at: number } | null;
  readonly moments: { readonly piece: number; readonly at: readonly number[] } | null;
  readonly sparse: { readonly piece: number; readonly number: number; readonly masks: readonly StoredMask[] } | null;
}

export interface StoreAbout {
  readonly contract: Contract;
  readonly layout: { readonly pieces: readonly { readonly kind: string; readonly bytes: number; readonly scratch: boolean }[]; readonly parameters: readonly StoredParameter[] };
}

export const aboutOf = (layout: ClusterLayout & { readonly tiers: TierPlan }, contract: Contract): StoreAbout => {
  const { tiers, memoryX, program } = layout, { pieces, pieceOf } = piecesOf(tiers);
  const piece = (object: number): number => pieceOf[object] as number;
  return {
    contract,
    layout: {
      // How large a gradient is depends on the batch's deal, and nothing of it lasts.
      pieces: pieces.map(({ kind, bytes, scratch }) => ({ kind, bytes: scratch ? 0 : bytes, scratch })),
      parameters: program.model.parameters.map(({ name, shape, index }): StoredParameter => {
        const place = memoryX.parameters[index], group = tiers.groups[tiers.groupOf[index] as number];
        if (place === undefined || group === undefined) return { name, shape, weights: null, moments: null, sparse: null };
        const { sparse } = place;
        if (sparse !== null) {
          return { name, shape, weights: null, moments: null, sparse: { piece: piece(group.stored as number), number: sparse.number, masks: sparse.masks.map(({ positions, weights, moments }) => ({ positions, weights, moments })) } };
        }
        return {
          name, shape, sparse: null,
          weights: { piece: piece(group.weights?.[0] as number), at: place.weights[0] },
          moments: group.moments === null ? null : { piece: piece(group.moments), at: place.moments },
        };
      }),
    },
  };
};
