/** The JSON of commands that read or write files of weights and state: `inspect`, `check`, `prune`, `generate`. `check` tells as it goes; the others give one document. Not here: printing (say.ts). */
import * as v from 'valibot';
import { about, count, document, line, listOf, loose, real, shape, share, sparseWeight, text, type JsonOf } from './kinds.js';
import { textOfPrompt } from './training.js';

const version = 1;

const weights = {
  path: about(text, 'the file that was opened'),
  tensors: about(listOf(v.strictObject({ name: about(text, 'of the tensor'), dtype: about(text, 'as safetensors names types'), shape, elements: about(count, 'values'), bytes: about(count, 'of the data'), shard: about(text, 'file that holds it'), zeros: about(v.nullable(count), 'values that are 0; null for types that no weights have') })), 'in the order of their files'),
  sparse: about(listOf(v.strictObject({ ...sparseWeight, shape })), 'weights that have a mask'),
  masks: about(v.nullable(v.picklist(['beside', 'inside'])), 'where masks stand: in a file beside the weights, inside the compact layout, or nowhere'),
  totals: about(v.strictObject({
    tensors: about(count, 'how many'), elements: about(count, 'values'), bytes: about(count, 'of the data'), fileBytes: about(count, 'of the files, headers included'), shards: about(count, 'files'),
    sparseSize: about(count, 'positions of sparse weights'), sparseStored: about(count, 'those that are stored'), matrixElements: about(count, 'values of weights of rank 2 and more'), matrixZeros: about(count, 'those that are 0'),
  }), 'of all tensors'),
  metadata: about(v.record(text, text), 'what the files say of themselves'),
};

const checkpoint = {
  path: about(text, 'folder of the checkpoint'), bytes: about(count, 'of the files of tensors'), model: about(text, 'name of the model'), step: about(count, 'steps done'), seed: about(count, 'of the run'), batchSize: about(count, 'samples of a step'),
  samplesSeen: about(count, 'of all steps'),
  numericsVersion: about(count, 'of docs/numerics.md'), optimizer: about(v.unknown(), 'with its schedule'), clipNorm: about(v.nullable(real), 'null: no clipping'),
  sparsity: about(v.unknown(), 'rules; null where all is dense'), precision: about(v.unknown(), 'numbers; null where all is float32'), lossScaling: about(v.unknown(), 'its state; null where the loss is not scaled'),
  evaluations: about(listOf(v.strictObject({ step: about(count, 'steps done'), loss: about(loose, 'in nats'), perplexity: about(loose, 'e to the loss'), batches: about(count, 'of the evaluation') })), 'of the run so far'), losses: about(v.nullable(listOf(loose)), 'of every step; null where they are not kept'),
  parameters: about(listOf(v.strictObject({ name: about(text, 'of the parameter'), shape, elements: about(count, 'values'), stored: about(v.nullable(count), 'positions that its mask stores; null where it is dense'), moments: about(listOf(text), 'their names') })), 'in graph order'),
  files: about(listOf(v.strictObject({ name: about(text, 'of the file'), bytes: about(count, 'of the file'), crc32: about(text, 'of the file, eight hexadecimal digits'), header: about(text, 'CRC-32 of its header'), tensors: about(count, 'how many are in it') })), 'files of tensors'),
};

const checkpoints = {
  path: about(text, 'their folder'),
  checkpoints: about(listOf(v.strictObject({
    step: about(count, 'steps done'), path: about(text, 'its folder'), model: about(v.nullable(text), 'null where state.json is damaged'), bytes: about(v.nullable(count), 'null where state.json is damaged'), loss: about(loose, 'the last one, of training or of an evaluation'), damage: about(v.nullable(text), 'what is wrong with its state.json'),
  })), 'by step'),
  weights: about(v.nullable(v.strictObject(weights)), 'what a run saved at its end beside its checkpoints'),
};

const store = {
  path: about(text, 'its folder'), steps: about(listOf(count), 'committed steps, the newest first'), id: about(text, "this store's alone"), identity: about(text, 'of the configuration'), format: about(text, 'name of the format'), version: about(count, 'of the format'),
  shards: about(listOf(v.strictObject({ path: about(text, 'its file'), blocks: about(count, 'how many'), bytes: about(count, 'of the blocks, once'), scratchBytes: about(count, 'beside them') })), 'in order'),
  pieces: about(listOf(v.strictObject({ name: about(text, 'of the piece'), bytes: about(count, 'of it'), parts: about(count, 'in how many blocks it lies') })), 'what lies in the blocks'),
  about: about(v.record(text, v.unknown()), 'what the run wrote of itself'),
};

export const inspectJson = {
  command: 'inspect', version, form: 'document',
  schema: v.variant('kind', [
    document('inspect', version, { kind: v.literal('weights'), ...weights }), document('inspect', version, { kind: v.literal('checkpoint'), ...checkpoint }),
    document('inspect', version, { kind: v.literal('checkpoints'), ...checkpoints }), document('inspect', version, { kind: v.literal('store'), ...store }),
  ]),
} as const satisfies JsonOf<v.GenericSchema>;

const looked = { path: about(text, 'what was read'), damage: about(count, 'places at which it is damaged') };
const damage = {
  what: about(text, 'what is wrong'), file: v.exactOptional(about(text, 'of a checkpoint')), tensor: v.exactOptional(about(v.nullable(text), 'null: the file as a whole')),
  shard: v.exactOptional(about(text, 'of a store')), step: v.exactOptional(about(v.nullable(count), 'null: the shard as a whole')), block: v.exactOptional(about(v.nullable(count), 'null: the shard as a whole')),
};
export const checkJson = {
  command: 'check', version, form: 'lines',
  schema: v.variant('type', [
    line('check', version, 'file', looked), line('check', version, 'shard', looked), line('check', version, 'damage', damage),
    line('check', version, 'note', { what: about(text, 'what is no damage'), shard: about(text, 'of a store'), blocks: about(count, 'how many') }),
    line('check', version, 'summary', { path: about(text, 'what was checked'), kind: about(v.picklist(['store', 'checkpoint', 'checkpoints']), 'what it is'), files: v.exactOptional(about(count, 'files that were read')), shards: v.exactOptional(about(count, 'shards that were read')), damaged: about(count, 'files or shards with damage') }),
  ]),
} as const satisfies JsonOf<v.GenericSchema>;

export const pruneJson = {
  command: 'prune', version, form: 'document',
  schema: document('prune', version, {
    model: about(text, 'name of the model'), parameters: about(count, 'of the model'), sparse: about(listOf(v.strictObject(sparseWeight)), 'weights that were pruned'), size: about(count, 'positions of all of them'),
    stored: about(count, 'those that are stored'), sparsity: about(share, 'share of those that are not'), saved: about(text, 'path of --save'),
  }),
} as const satisfies JsonOf<v.GenericSchema>;

export const generateJson = {
  command: 'generate', version, form: 'document',
  schema: document('generate', version, {
    model: about(text, 'name of the model'), parameters: about(count, 'of the model'), numCsx: about(count, 'CS-2 systems'), prompts: about(count, 'how many'), texts: about(listOf(v.strictObject(textOfPrompt)), 'in the order of the prompts'),
    tokens: about(count, 'of all texts'), seconds: about(real, 'host time'), tokensPerSecond: about(loose, 'host speed'),
  }),
} as const satisfies JsonOf<v.GenericSchema>;
