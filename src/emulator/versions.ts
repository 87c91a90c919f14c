/**
 * What a version says of itself: kept from the moment in which it is whole until it is written down with its state. Not here: writing it (storage/, formats/checkpoint/).
 */
import type { EvaluationReport } from '../cluster/coordinator/training.js';
import type { ClusterLayout } from '../cluster/layout.js';
import { MaskTable } from '../cluster/masks.js';
import type { VersionState } from './stored-state.js';

/** Versions that are remembered: the newest, one that is being written, and one before. */
const kept = 3;

export class Versions {
  readonly #layout: ClusterLayout;
  readonly #evaluations = new Map<number, readonly EvaluationReport[]>();

  constructor(layout: ClusterLayout, first: number, evaluations: readonly EvaluationReport[]) {
    this.#layout = layout;
    this.#evaluations.set(first, evaluations);
  }

  note(version: number, evaluations: readonly EvaluationReport[]): void {
    this.#evaluations.set(version, [...evaluations]);
    this.#evaluations.delete(version - kept);
  }

  stateOf(version: number): VersionState {
    const table = new MaskTable(this.#layout.masks);
    const masks: VersionState['masks'][number][] = [];
    for (const { sparse } of this.#layout.memoryX.parameters) {
      if (sparse === null) continue;
      const { buffer, stored } = table.at(sparse, version);
      masks[sparse.number] = { buffer, stored };
    }
    return { step: version, evaluations: this.#evaluations.get(version) ?? [], masks };
  }

  textOf(version: number): string {
    return JSON.stringify(this.stateOf(version));
  }
}
