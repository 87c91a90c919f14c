/**
 * Resuming: what a run goes on from, whichever form it was saved in.
 *
 *   checkpoint, folder of checkpoints, flash store ─▶ saved state under the same contract ─▶ what the run begins with
 *
 * A store that the run itself writes to is gone on with in place. Not here: the contract (contract.ts), the forms (stored-state.ts, formats/checkpoint/).
 */
import { join, resolve } from 'node:path';
import type { FirstState } from '../cluster/store.js';
import type { EvaluationReport } from '../cluster/coordinator/training-plan.js';
import { latestCheckpoint, stateName } from '../formats/checkpoint/folders.js';
import { openCheckpoint } from '../formats/checkpoint/read.js';
import { samplesOf } from '../model/data.js';
import type { Model } from '../model/graph.js';
import { momentNames } from '../model/moments.js';
import { optimizerFor, type Optimizer } from '../model/optimizer.js';
import type { ScalingState } from '../model/precision.js';
import type { NamedMask } from '../model/sparsity.js';
import { realFileSystem } from '../storage/real-file-system.js';
import { InvalidConfig } from '../util/errors.js';
import { checkContract, contractOf, contractOfCheckpoint } from './contract.js';
import { foldersOf } from './flash.js';
import type { ClusterOptions, TrainOptions } from './options.js';
import { isStore, openStored } from './stored-state.js';
import type { VersionState } from './version-state.js';

/** A saved state, read tensor by tensor. */
export interface SavedState {
  readonly contract: unknown;
  readonly step: number;
  weights(name: string, into: Float32Array): void;
  moment(name: string, number: number, into: Float32Array): void;
  mask(name: string): Uint8Array | null;
  close(): void;
}

export interface Resumed {
  readonly version: number;
  readonly evaluations: readonly EvaluationReport[];
  readonly scaling: ScalingState | null;
  readonly masks: readonly NamedMask[];
  /** The run's own store holds the state already. */
  readonly inPlace: VersionState | null;
  first(mask: FirstState['mask']): FirstState;
  close(): void;
}

const openSaved = (path: string, model: Model, optimizer: Optimizer, samples: number): SavedState & { readonly state: VersionState } => {
  if (isStore(path)) {
    const stored = openStored(path);
    return { ...stored, contract: stored.about.contract };
  }
  if (latestCheckpoint(path) === null && realFileSystem.kind(join(path, stateName)) === null) {
    throw new InvalidConfig({ what: 'nothing to resume from', where: 'resume', value: path, hint: 'give a checkpoint, a folder of checkpoints, or the folder of a flash store' });
  }
  const open = openCheckpoint(path), { state } = open;
  const momentOf = (name: string, number: number): string => {
    const spec = model.parameters.find((parameter) => parameter.name === name);
    return `${name}.${spec === undefined ? number : momentNames(optimizerFor(optimizer, spec), spec)[number]}`;
  };
  return {
    contract: contractOfCheckpoint(state, samples), step: state.step,
    state: { step: state.step, evaluations: state.evaluations, scaling: state.lossScaling as ScalingState | null, masks: [] },
    weights: (name, into) => open.readTensor('model', name, 0, into),
    moment: (name, number, into) => open.readTensor('optimizer', momentOf(name, number), 0, into),
    mask(name) {
      if (!open.tensors.some((tensor) => tensor.file === 'masks' && tensor.name === name)) return null;
      const mask = new Uint8Array(model.parameters.find((parameter) => parameter.name === name)?.size ?? 0);
      open.readTensor('masks', name, 0, mask);
      return mask;
    },
    close: () => open.close(),
  };
};

/** @throws InvalidConfig where there is nothing, or another contract; CorruptFile for what is damaged */
export const openResumed = (path: string, model: Model, o: TrainOptions, cluster: ClusterOptions): Resumed => {
  if (o.weights !== undefined || (o.masks?.length ?? 0) > 0) throw new InvalidConfig({ what: 'weights or masks beside resume', where: 'resume', hint: 'leave them out: a resumed run has its own' });
  const saved = openSaved(path, model, o.optimizer, samplesOf(model, o.data));
  try {
    checkContract(saved.contract, contractOf(model, o), path);
    if (saved.step > o.steps) throw new InvalidConfig({ what: 'steps', value: o.steps, limit: `at least the ${saved.step} that are done`, hint: 'steps count from the beginning of the run' });
    const masks = model.parameters.flatMap(({ name, shape }): NamedMask[] => {
      const mask = saved.mask(name);
      return mask === null ? [] : [{ name, shape, mask }];
    });
    const own = foldersOf(cluster.memoryX ?? {})?.folder;
    const isOwn = own !== undefined && resolve(own) === resolve(path);
    return {
      version: saved.step, evaluations: saved.state.evaluations, scaling: saved.state.scaling, masks, inPlace: isOwn ? saved.state : null,
      first: (mask) => ({
        version: saved.step,
        weights(spec, into) {
          saved.weights(spec.name, into);
          return true;
        },
        moment(spec, number, into) {
          saved.moment(spec.name, number, into);
          return true;
        },
        mask,
      }),
      close: () => saved.close(),
    };
  } catch (error) {
    saved.close();
    throw error;
  }
};
