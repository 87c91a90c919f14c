/**
 * Saving what was trained. The place is tried before the first step, not after the last one. Not here: names and layouts of the file (formats/).
 */
import { access, constants, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InvalidConfig, writeCheckpoint, type CheckpointOptions, type Model, type RunResult } from '../../index.js';
import { flagOf, type Options } from '../options.js';
import type { Job } from './job.js';
import { refuse } from './rules.js';
import { copyTokenizer } from './tokenizer.js';

const dtypes = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const satisfies Record<NonNullable<Options['dtype']>, CheckpointOptions['dtype']>;

/** Larger checkpoints are written in several files, as Hugging Face does. */
const shardBytesMax = 5e9;

const isFile = (path: string): boolean => path.endsWith('.safetensors');

/** One whole file and the index of several may not stand side by side: whoever opens the folder could not tell which is meant. */
const otherForm = (save: string, dtype: Options['dtype'], { parameterCount }: Model): string => {
  const file = isFile(save) ? save : join(save, 'model.safetensors'), bytes = parameterCount * (dtype === undefined || dtype === 'float32' ? 4 : 2);
  return bytes > shardBytesMax ? file : file.replace(/\.safetensors$/, '.safetensors.index.json');
};

/** Makes the folder, and sees whether it can be written to. @throws InvalidConfig */
export const checkSave = async (options: Options, model: Model): Promise<void> => {
  const { save } = options;
  if (save === undefined) {
    refuse(options, ['dtype'], `has no effect without ${flagOf('save')}`);
    return;
  }
  const folder = isFile(save) ? dirname(save) : save;
  try {
    if (!isFile(save)) await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new InvalidConfig({ what: `option ${flagOf('save')}: nothing can be written there`, value: save, hint: `check the path (${code})` }, { cause });
  }
  const other = otherForm(save, options.dtype, model);
  if (await access(other).then(() => true, () => false)) throw new InvalidConfig({ what: `option ${flagOf('save')}: a checkpoint of the other form is there already`, where: other, hint: 'remove it, or save elsewhere' });
};

/** Writes the weights where `--save` says, with the tokenizer beside them in a folder; gives what it wrote, for people, or null. */
export const saveWeights = async (options: Options, job: Job, weights: RunResult['weights']): Promise<string | null> => {
  const { save, dtype = 'float32' } = options;
  if (save === undefined) return null;
  const { tokenizer } = job, special = tokenizer?.tokenizer;
  const ids = special === undefined || special.kind === 'bytes' ? {} : { bos_token_id: special.bos, eos_token_id: special.eos };
  const written = await writeCheckpoint(job.model, weights, save, { dtype: dtypes[dtype], shardBytesMax, ...(isFile(save) || tokenizer === null ? {} : { config: ids }) });
  if (!isFile(save) && tokenizer !== null) await copyTokenizer(tokenizer, save);
  return written.config === null ? save : `${save}, with its config.json`;
};
