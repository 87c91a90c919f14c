/**
 * What a version says of itself: kept from the moment in which it is whole until it is written down with its state. Not here: writing it (storage/, formats/checkpoint/).
 */
import type { EvaluationReport } from '../cluster/coordinator/training-plan.js';
import type { ScalingState } from '../model/precision.js';
import type { ClusterLayout } from '../cluster/layout.js';
import { MaskTable } from '../cluster/masks.js';
import type { VersionState } from './version-state.js';

/** Versions that are remembered: the newest, one that is being written, and one before. */
const kept = 3;

export class Versions {
  readonly #layout: ClusterLayout;
  readonly #known = new Map<number, Pick<VersionState, 'evaluations' | 'scaling'>>();

  constructor(layout: ClusterLayout, first: number, evaluations: readonly EvaluationReport[], scaling: ScalingState | null) {
    this.#layout = layout;
    this.#known.set(first, { evaluations, scaling });
  }

  note(version: number, evaluations: readonly EvaluationReport[], scaling: ScalingState | null): void {
    this.#known.set(version, { evaluations: [...evaluations], scaling });
    this.#known.delete(version - kept);
  }

  stateOf(version: number): VersionState {
    const table = new MaskTable(this.#layout.masks);
    const masks: VersionState['masks'][number][] = [];
    for (const { sparse } of this.#layout.memoryX.parameters) {
      if (sparse === null) continue;
      const { buffer, stored } = table.at(sparse, version);
      masks[sparse.number] = { buffer, stored };
    }
    return { step: version, ...(this.#known.get(version) ?? { evaluations: [], scaling: null }), masks };
  }

  textOf(version: number): string {
    return JSON.stringify(this.stateOf(version));
  }
}
