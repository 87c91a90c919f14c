/**
 * The index of a checkpoint in several files: which file holds which tensor.
 *
 *   { "metadata": { "total_size": bytes }, "weight_map": { tensor: file } }
 *
 * Files stand beside the index and are named without a path, so that an index cannot point anywhere else.
 * Not here: whether the files keep what the index promises (open.ts).
 */
import { CorruptFile, InvalidConfig } from '../../util/errors.js';
import { readWhole } from '../files.js';
import { isObject, parseJsonObject, shown } from '../json.js';
import { quoted } from './header.js';

/** What an index file's name ends in. */
export const indexEnding = '.safetensors.index.json';
/** Files that one checkpoint may have: each stays open while the checkpoint is. */
export const shardsMax = 512;

/** Tensor names to file names. @throws CorruptFile, InvalidConfig beyond `shardsMax` */
export const readShardIndex = async (path: string): Promise<ReadonlyMap<string, string>> => {
  const { weight_map: map } = parseJsonObject(await readWhole(path), path);
  if (!isObject(map)) throw new CorruptFile({ what: 'weight_map is missing or no object', where: path, hint: 'is it the index of a safetensors checkpoint?' });
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !/^[^/\\\0:]+$/.test(file) || file === '.' || file === '..') {
      throw new CorruptFile({ what: `weight_map of tensor ${quoted(tensor)}: not the plain name of a file beside the index`, where: path, value: shown(file), limit: 'a name without a path' });
    }
    files.set(tensor, file);
  }
  if (files.size === 0) throw new CorruptFile({ what: 'weight_map names no tensor', where: path });
  const shards = new Set(files.values()).size;
  if (shards > shardsMax) throw new InvalidConfig({ what: 'the checkpoint has too many files', where: path, value: shards, limit: shardsMax, hint: 'write it in fewer, larger files' });
  return files;
};
