/**
 * Saving what was trained. The place is tried before the first step, not after the last one. Not here: names and layouts of the file (formats/).
 */
import { access, constants, mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InvalidConfig, inspectCheckpoint, writeCheckpoint, type CheckpointOptions, type Model, type NamedMask, type NamedTensor } from '../../index.js';
import { flagOf, type Options } from '../options.js';
import type { Job } from './job.js';
import { refuse } from './rules.js';
import { copyTokenizer } from './tokenizer.js';

const dtypes = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const satisfies Record<NonNullable<Options['dtype']>, CheckpointOptions['dtype']>;

/** Larger checkpoints are written in several files, as Hugging Face does. */
const shardBytesMax = 5e9;

const isFile = (path: string): boolean => path.endsWith('.safetensors');

/** Bytes of a position that the compact layout may add at most: a place. */
const placeBytes = 4;

/** One whole file and the index of several may not stand side by side: whoever opens the folder could not tell which is meant. */
const otherForms = ({ dtype, sparseLayout }: Options, file: string, { parameterCount }: Model): readonly string[] => {
  const bytes = parameterCount * (dtype === undefined || dtype === 'float32' ? 4 : 2), index = file.replace(/\.safetensors$/, '.safetensors.index.json');
  // How many positions will be stored is not known yet.
  if (sparseLayout === 'compact' && bytes + parameterCount * placeBytes > shardBytesMax) return [file, index];
  return [bytes > shardBytesMax ? file : index];
};

const stands = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

/** Where masks of that file stand, and whether something else stands there. @throws InvalidConfig */
const checkMaskPlace = async (file: string): Promise<void> => {
  const name = basename(file), masks = join(dirname(file), name === 'model.safetensors' ? 'sparsity.safetensors' : name.replace(/\.safetensors$/, '.sparsity.safetensors'));
  if (/(^|\.)sparsity\.safetensors$/.test(name)) throw new InvalidConfig({ what: `option ${flagOf('save')}: a name that masks have`, value: file, hint: 'give the file another name' });
  if (!(await stands(masks))) return;
  const format = await inspectCheckpoint(masks).then(({ metadata }) => metadata['format'], () => undefined);
  if (format !== 'waferstream-masks') throw new InvalidConfig({ what: `option ${flagOf('save')}: a file that is none of masks stands where they would`, where: masks, hint: 'move it away, or save elsewhere' });
};

/** Makes the folder, and sees whether it can be written to. @throws InvalidConfig */
export const checkSave = async (options: Options, model: Model, isSparse: boolean): Promise<void> => {
  const { save } = options;
  if (save === undefined) {
    refuse(options, ['dtype', 'sparseLayout'], `has no effect without ${flagOf('save')}`);
    return;
  }
  if (!isSparse) refuse(options, ['sparseLayout'], 'has no effect where nothing is sparse');
  const folder = isFile(save) ? dirname(save) : save;
  try {
    if (!isFile(save)) await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new InvalidConfig({ what: `option ${flagOf('save')}: nothing can be written there`, value: save, hint: `check the path (${code})` }, { cause });
  }
  const file = isFile(save) ? save : join(save, 'model.safetensors');
  await checkMaskPlace(file);
  for (const other of otherForms(options, file, model)) {
    if (await stands(other)) throw new InvalidConfig({ what: `option ${flagOf('save')}: a checkpoint of the other form is there already`, where: other, hint: 'remove it, or save elsewhere' });
  }
};

/** What is saved: parameters, and masks of the sparse ones. */
interface Saved {
  readonly weights: readonly NamedTensor[];
  readonly masks: readonly NamedMask[];
}

/** Writes the weights where `--save` says, with the tokenizer beside them in a folder; gives what it wrote, for people, or null. */
export const saveWeights = async (options: Options, { model, tokenizer }: Pick<Job, 'model' | 'tokenizer'>, { weights, masks }: Saved): Promise<string | null> => {
  const { save, dtype = 'float32', sparseLayout: layout = 'dense' } = options;
  if (save === undefined) return null;
  const special = tokenizer?.tokenizer;
  const ids = special === undefined || special.kind === 'bytes' ? {} : { bos_token_id: special.bos, eos_token_id: special.eos };
  const written = await writeCheckpoint(model, weights, save, { dtype: dtypes[dtype], shardBytesMax, masks, layout, ...(isFile(save) || tokenizer === null ? {} : { config: ids }) });
  if (!isFile(save) && tokenizer !== null) await copyTokenizer(tokenizer, save);
  const beside = [...(written.config === null ? [] : ['its config.json']), ...(masks.length > 0 && layout === 'dense' ? ['its masks'] : [])];
  return beside.length === 0 ? save : `${save}, with ${beside.join(' and ')}`;
};
