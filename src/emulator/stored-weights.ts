/**
 * Trained weights that lie on flash, as tensors that are read when somebody looks at them: a model larger than memory is still a result.
 *
 * Values are kept as long as memory allows, and read again after that. Not here: how they are stored (stored-state.ts).
 */
import type { Model } from '../model/graph.js';
import type { NamedMask } from '../model/sparsity.js';
import { digest, type NamedTensor } from '../tensor/named.js';
import { openStored, type StoredState } from './stored-state.js';

const during = <T>(folder: string, step: number, read: (stored: StoredState) => T): T => {
  const stored = openStored(folder, step);
  try {
    return read(stored);
  } finally {
    stored.close();
  }
};

/** The weights of a committed step. `data` @throws InvalidConfig if a later run has gone on from that step, CorruptFile for damage */
export const storedWeights = (model: Model, folder: string, step: number): NamedTensor[] =>
  model.parameters.map(({ name, shape, size }) => {
    let seen = new WeakRef(new Float32Array(0));
    return {
      name, shape,
      get data(): Float32Array {
        const known = seen.deref();
        if (known !== undefined && known.length === size) return known;
        const data = new Float32Array(size);
        during(folder, step, (stored) => stored.weights(name, data));
        seen = new WeakRef(data);
        return data;
      },
    };
  });

/** The digest of the weights of a committed step, in room for one of them: all together may be larger than memory. */
export const digestOfStored = (model: Model, folder: string, step: number): string =>
  during(folder, step, (stored) => {
    const room = new Float32Array(Math.max(...model.parameters.map(({ size }) => size)));
    const each = function* (): Generator<NamedTensor> {
      for (const { name, shape, size } of model.parameters) {
        const data = room.subarray(0, size).fill(0);
        stored.weights(name, data);
        yield { name, shape, data };
      }
    };
    return digest(each());
  });

export const storedMasks = (model: Model, folder: string, step: number): NamedMask[] =>
  during(folder, step, (stored) => model.parameters.flatMap(({ name, shape }) => {
    const mask = stored.mask(name);
    return mask === null ? [] : [{ name, shape, mask }];
  }));
