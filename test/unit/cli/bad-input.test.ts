/** Every wrong option, missing or malformed file and impossible shape: one clear line, an exit code, no stack trace, and an end by itself. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { configOfModel, gpt, model, features, linear, writeCheckpoint, writeSafetensors } from '../../../src/index.js';
import { masksOf, sparseWeights } from '../formats/sparse-cases.js';
import { gpt2Like } from '../formats/tokenizer-files.js';
import { waferstream } from './child.js';

let root = '';
const idx = (magic: readonly number[], sizes: readonly number[], values: number): Uint8Array =>
  Uint8Array.of(...magic, sizes.length, ...sizes.flatMap((size) => [0, 0, size >> 8, size & 255]), ...Array.from({ length: values }, (_, i) => i % 2));

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-cli-'));
  await Promise.all(['images', 'short', 'count', 'empty', 'gz'].map((name) => mkdir(join(root, name))));
  const pairs = {
    short: [idx([0, 0, 8], [2, 2, 2], 7), idx([0, 0, 8], [2], 2), ''],
    count: [idx([0, 0, 8], [2, 2, 2], 8), idx([0, 0, 8], [3], 3), ''],
    images: [idx([0, 0, 8], [2, 2, 2], 8), idx([0, 0, 8], [2], 2), ''],
    gz: [Uint8Array.of(0x1f, 0x8b, 8, 0), idx([0, 0, 8], [2], 2), '.gz'],
  } as const;
  await Promise.all(
    Object.entries(pairs).flatMap(([name, [images, labels, end]]) => [
      writeFile(join(root, name, `train-images-idx3-ubyte${end}`), images),
      writeFile(join(root, name, `train-labels-idx1-ubyte${end}`), labels),
    ]),
  );
  await writeFile(join(root, 'magic'), 'this is no IDX file');
  await writeFile(join(root, 'text.txt'), 'All work and no play. '.repeat(40));
  await writeFile(join(root, 'tiny.txt'), 'x');
  await writeFile(join(root, 'nothing.txt'), '');
  await writeFile(join(root, 'lines.jsonl'), '{"text": "one"}\n{"body": "two"}\n');
  await writeFile(join(root, 'odd.u16'), Uint8Array.of(1, 0, 2));
  await writeFile(join(root, 'large.u16'), Uint8Array.of(0, 0, 44, 1));
  await mkdir(join(root, 'sharded'));
  await writeFile(join(root, 'sharded', 'model.safetensors.index.json'), '{}');
  await writeFile(join(root, 'bpe.json'), JSON.stringify(gpt2Like()));
  await writeFile(join(root, 'broken.json'), '{"model": ');
  const config = configOfModel(gpt({ layers: 1, heads: 2, dim: 8, context: 16, vocabulary: 300 }));
  await writeFile(join(root, 'config300.json'), JSON.stringify(config));
  await writeFile(join(root, 'dropout.json'), JSON.stringify({ ...config, attn_pdrop: 0.1 }));
  await writeFile(join(root, 'wide.json'), JSON.stringify({ ...config, reorder_and_upcast_attn: true }));
  const small = gpt({ layers: 1, heads: 2, dim: 8, context: 16, vocabulary: 256 });
  await writeCheckpoint(small, small.parameters.map(({ name, shape, size }) => ({ name, shape, data: new Float32Array(size) })), join(root, 'small'));
  const masks = masksOf(small, () => 0.5), sparse = sparseWeights(small, masks, () => 0x3c00_0000);
  await writeCheckpoint(small, sparse, join(root, 'sparse'), { masks });
  await writeCheckpoint(small, sparse, join(root, 'half'), { masks });
  await rm(join(root, 'half', 'sparsity.safetensors'));
  await writeCheckpoint(small, sparse, join(root, 'compact.safetensors'), { masks, layout: 'compact' });
  await writeFile(join(root, 'taken.sparsity.safetensors'), 'mine');
  await writeFile(join(root, 'rules.json'), '{ "algorithm": "static", "sparsity": 0.5 }');
  const other = model({ input: features(2), layers: [linear(3)] });
  await writeSafetensors(join(root, 'other.safetensors'), other.parameters.map(({ name, shape, size }) => ({ name, shape, data: () => new Float32Array(size) })));
  await writeFile(join(root, 'cut.safetensors'), (await readFile(join(root, 'other.safetensors'))).subarray(0, 60));
});
after(() => rm(root, { recursive: true }));

interface Case {
  readonly args: string;
  readonly code: number;
  /** What the line must say. */
  readonly says: RegExp;
}
const cases: readonly Case[] = [
  { args: '', code: 78, says: /no command given/ },
  { args: 'trian', code: 78, says: /unknown command 'trian'.*train/ },
  { args: 'train extra', code: 78, says: /too many arguments/ },
  { args: 'train --data text.txt --stepz 3', code: 78, says: /unknown option '--stepz'.*--steps/ },
  { args: 'train --data', code: 78, says: /--data.*argument missing/ },
  { args: 'train', code: 78, says: /no data.*--data/ },
  { args: 'train --data text.txt --steps 12abc', code: 78, says: /--steps.*'12abc'/ },
  { args: 'train --data text.txt --steps -1', code: 78, says: /--steps.*'-1'/ },
  { args: 'train --data text.txt --num-csx 193', code: 78, says: /--num-csx.*'193'.*192/ },
  { args: 'train --data text.txt --learning-rate NaN', code: 78, says: /--learning-rate.*'NaN'/ },
  { args: 'train --data text.txt --threads many', code: 78, says: /--threads.*'many'.*auto/ },
  { args: 'train --data text.txt --rows 3', code: 78, says: /--rows and --cols/ },
  { args: 'train --data text.txt --momentum 0.9', code: 78, says: /--momentum.*sgd/ },
  { args: 'train --data text.txt --optimizer sgd --nesterov', code: 78, says: /nesterov.*momentum/ },
  { args: 'train --data text.txt --optimizer rmsprop --nesterov', code: 78, says: /--nesterov.*sgd/ },
  { args: 'train --data text.txt --optimizer lamb --momentum 0.5', code: 78, says: /--momentum.*sgd or rmsprop/ },
  { args: 'train --data text.txt --optimizer adafactor --schedule cosine', code: 78, says: /--schedule.*--learning-rate/ },
  { args: 'train --data text.txt --optimizer adafactor --sparsity 0.5', code: 78, says: /Adafactor of sparse weights/ },
  { args: 'train --data text.txt --warmup-steps 3', code: 78, says: /--warmup-steps/ },
  { args: 'train --data text.txt --schedule cosine --warmup-steps 100', code: 78, says: /--warmup-steps.*100/ },
  { args: 'train --data text.txt --layers 0 --hidden 8', code: 78, says: /--hidden/ },
  { args: 'train --data text.txt --rows 1 --cols 1', code: 78, says: /needs \d+ bytes and \d+ are there.*microBatchSize/ },
  { args: 'train --data text.txt --rows 5000 --cols 1', code: 78, says: /5000/ },
  { args: 'train --data text.txt --micro-batch-size 33', code: 78, says: /33/ },
  { args: 'train --data text.txt --precision half', code: 78, says: /--precision.*'half'.*cbfloat16/ },
  { args: 'train --data text.txt --activations bfloat16', code: 78, says: /--activations belongs to --precision/ },
  { args: 'train --data text.txt --loss-scale dynamic', code: 78, says: /--loss-scale belongs to --precision/ },
  { args: 'train --data text.txt --precision float16 --activations bfloat16', code: 78, says: /--activations.*'bfloat16'.*float32, or float16/ },
  { args: 'train --data text.txt --precision float16 --loss-scale 3', code: 78, says: /--loss-scale.*'3'.*power of two/ },
  { args: 'train --data text.txt --precision float32 --stochastic-rounding', code: 78, says: /--stochastic-rounding has no effect on float32/ },
  { args: 'train --data nowhere', code: 1, says: /nowhere: no such file or folder/ },
  { args: 'train --data nothing.txt', code: 78, says: /nothing\.txt.*no text|no text.*nothing\.txt/ },
  { args: 'train --data empty', code: 78, says: /no text/ },
  { args: 'train --data tiny.txt', code: 78, says: /shorter than one sample/ },
  { args: 'train --data empty --model mlp', code: 1, says: /train-images-idx3-ubyte/ },
  { args: 'train --data text.txt --model mlp', code: 1, says: /text\.txt: a file where a folder/ },
  { args: 'train --data short', code: 1, says: /train-images-idx3-ubyte: truncated.*23.*24/ },
  { args: 'train --data count', code: 1, says: /2 images.*3/ },
  { args: 'train --data gz', code: 1, says: /damaged gzip/ },
  { args: 'train --data images --context 4', code: 78, says: /--context.*byte-lm/ },
  { args: 'train --images magic', code: 78, says: /--images and --labels/ },
  { args: 'train --images magic --labels magic', code: 1, says: /magic: not an IDX file/ },
  { args: 'train --images magic --labels magic --model byte-lm', code: 78, says: /byte-lm reads text/ },
  { args: 'train --images magic --labels magic --data text.txt', code: 78, says: /--data beside --images/ },
  { args: 'verify --kernels twin', code: 78, says: /unknown option '--kernels'/ },
  { args: 'verify --data nowhere', code: 1, says: /nowhere: no such file/ },
  // transformers: what goes together
  { args: 'train --data text.txt --model gpt4', code: 78, says: /--model.*'gpt4'.*gpt2-xl.*llama3/ },
  { args: 'train --data text.txt --heads 2', code: 78, says: /--heads belongs to a transformer/ },
  { args: 'train --data text.txt --model mlp --tokenizer bytes', code: 78, says: /--tokenizer belongs to a transformer/ },
  { args: 'train --data text.txt --model byte-lm --recompute block', code: 78, says: /--recompute belongs to a transformer/ },
  { args: 'train --data text.txt --model gpt --embed 8', code: 78, says: /--embed belongs to byte-lm/ },
  { args: 'train --data text.txt --model gpt --kv-heads 2', code: 78, says: /--kv-heads has no effect on --model gpt/ },
  { args: 'train --data text.txt --model llama --dropout 0.1', code: 78, says: /--dropout has no effect on --model llama/ },
  { args: 'train --data text.txt --model gpt --dropout off', code: 78, says: /--dropout.*'off'.*a rate/ },
  { args: 'train --data text.txt --model gpt --layers 0', code: 78, says: /--layers.*at least 1 block/ },
  { args: 'train --data text.txt --model gpt --dim 30 --heads 4', code: 78, says: /--dim.*30.*4 heads/ },
  { args: 'train --data text.txt --model llama --heads 4 --kv-heads 3', code: 78, says: /--kv-heads.*3.*4 heads/ },
  { args: 'train --data text.txt --model llama --dim 12 --heads 4', code: 78, says: /--dim.*12.*even/ },
  { args: 'train --data text.txt --model gpt --context 1', code: 78, says: /--context.*at least 2/ },
  { args: 'train --data tiny.txt --model gpt', code: 78, says: /shorter than one sample.*--context/ },
  { args: 'train --data text.txt --model gpt2 --dim 64', code: 78, says: /--dim beside --model gpt2/ },
  { args: 'train --data text.txt --model gpt2', code: 78, says: /no tokenizer for the 50257 tokens.*--tokenizer/ },
  { args: 'train --model gpt', code: 78, says: /no data.*--data/ },
  { args: 'train --model gpt --images magic --labels magic', code: 78, says: /--images belongs to --model mlp/ },
  { args: 'train --data text.txt --model gpt --field body', code: 78, says: /--field belongs to JSON lines/ },
  { args: 'train --data lines.jsonl --model gpt', code: 1, says: /lines\.jsonl, line 2.*'text'/ },
  { args: 'train --data odd.u16 --model gpt', code: 1, says: /odd\.u16.*odd number of bytes/ },
  { args: 'train --data large.u16 --model gpt --context 2', code: 1, says: /large\.u16.*outside the vocabulary.*300/ },
  { args: 'train --data text.txt --model gpt --tokenizer nowhere.json', code: 1, says: /nowhere\.json: no such file/ },
  { args: 'train --data text.txt --model gpt --tokenizer broken.json', code: 1, says: /broken\.json/ },
  { args: 'train --data text.txt --model gpt --tokenizer bpe.json --vocab 100', code: 1, says: /outside the vocabulary/ },
  // configs and weights
  { args: 'train --data text.txt --config nowhere.json', code: 1, says: /nowhere\.json: no such file/ },
  { args: 'train --data text.txt --config broken.json', code: 1, says: /broken\.json/ },
  { args: 'train --data text.txt --config config300.json', code: 78, says: /no tokenizer for the 300 tokens/ },
  { args: 'train --data text.txt --config config300.json --model gpt', code: 78, says: /--model beside --config/ },
  { args: 'train --data text.txt --config config300.json --dim 8', code: 78, says: /--dim beside a config\.json/ },
  { args: 'train --data text.txt --config config300.json --dropout 0.1', code: 78, says: /--dropout.*0\.1.*off/ },
  { args: 'train --data text.txt --config config300.json --context 17 --tokenizer bytes', code: 78, says: /context.*17.*16/ },
  { args: 'train --data text.txt --config dropout.json --tokenizer bytes', code: 78, says: /attn_pdrop.*0\.1.*off/ },
  { args: 'train --data text.txt --config wide.json --tokenizer bytes', code: 78, says: /reorder_and_upcast_attn/ },
  { args: 'train --data text.txt --weights empty', code: 78, says: /empty: no model for the weights.*--config/ },
  { args: 'train --data text.txt --model gpt --weights nowhere', code: 1, says: /nowhere: no such file/ },
  { args: 'train --data text.txt --model gpt --weights other.safetensors', code: 1, says: /other\.safetensors: tensor .* is missing/ },
  { args: 'train --data text.txt --model gpt --weights cut.safetensors', code: 1, says: /cut\.safetensors/ },
  // training
  { args: 'train --data text.txt --model gpt --clip-norm 0', code: 78, says: /--clip-norm.*'0'/ },
  { args: 'train --data text.txt --model gpt --grad-accum-steps 3', code: 78, says: /--grad-accum-steps.*3.*16 samples/ },
  { args: 'train --data text.txt --grad-accum-steps 4 --batch-size 192', code: 78, says: /--grad-accum-steps.*multiple of 32.*48/ },
  { args: 'train --data text.txt --model gpt --grad-accum-steps 2 --micro-batch-size 3 --batch-size 8', code: 78, says: /--batch-size.*8.*= 6/ },
  { args: 'train --data text.txt --model gpt --schedule linear --warmup-steps 9 --steps 9', code: 78, says: /--warmup-steps.*9/ },
  { args: 'train --data text.txt --model gpt --evaluate-every 5', code: 78, says: /--evaluate-every has no effect without --evaluation-split/ },
  { args: 'train --data text.txt --model gpt --patience 5', code: 78, says: /--patience has no effect/ },
  { args: 'train --data text.txt --model gpt --evaluation-split 0.1', code: 78, says: /--evaluation-split.*at least one sample of 128 tokens: it keeps 88/ },
  { args: 'train --data text.txt --evaluation-split 0.5 --evaluate-every 9 --steps 8', code: 78, says: /--evaluate-every.*9.*8 steps/ },
  { args: 'train --data images --evaluation-split 0.5', code: 78, says: /--evaluation-split belongs to text/ },
  { args: 'train --data text.txt --dtype float16', code: 78, says: /--dtype has no effect without --save/ },
  { args: 'train --data text.txt --save tiny.txt', code: 78, says: /--save.*'tiny\.txt'/ },
  { args: 'train --data text.txt --save nowhere/one.safetensors', code: 78, says: /--save.*nowhere/ },
  { args: 'train --data text.txt --model gpt --save sharded', code: 78, says: /sharded.model\.safetensors\.index\.json: option --save/ },
  { args: 'verify --model gpt --save here', code: 78, says: /unknown option '--save'/ },
  // sparsity
  { args: 'train --data text.txt --sparsity 1', code: 78, says: /--sparsity.*'1'.*0 to below 1/ },
  { args: 'train --data text.txt --sparsity 0.5 --sparsity-algorithm prune', code: 78, says: /--sparsity-algorithm.*'prune'.*rigl/ },
  { args: 'train --data text.txt --sparsity 0.5 --sparsity-pattern 4:2', code: 78, says: /--sparsity-pattern.*'4:2'.*2:4/ },
  { args: 'train --data text.txt --sparsity 0.9 --sparsity-pattern 2:4', code: 78, says: /--sparsity.*0\.9.*0\.500, as 2 of 4/ },
  { args: 'train --data text.txt --sparsity nowhere.yaml', code: 1, says: /nowhere\.yaml: no such file/ },
  { args: 'train --data text.txt --sparsity kept', code: 78, says: /--sparsity kept belongs to --weights with masks/ },
  { args: 'train --data text.txt --sparsity off', code: 78, says: /--sparsity off belongs to --weights with masks/ },
  { args: 'train --data text.txt --weights small --sparsity kept', code: 78, says: /small: option --sparsity kept belongs to --weights with masks/ },
  { args: 'train --data text.txt --weights small --sparsity off', code: 78, says: /small: option --sparsity off belongs to --weights with masks/ },
  { args: 'train --data text.txt --sparsity-algorithm rigl', code: 78, says: /--sparsity-algorithm belongs to --sparsity with a number/ },
  { args: 'train --data text.txt --sparsity rules.json --sparsity-init topk', code: 78, says: /--sparsity-init belongs to --sparsity with a number/ },
  { args: 'train --data text.txt --sparsity 0.5 --sparsity-update-every 3', code: 78, says: /--sparsity-update-every has no effect on static masks/ },
  { args: 'train --data text.txt --sparsity 0.5 --sparsity-init from_zeros', code: 78, says: /--sparsity-init from_zeros belongs to --weights/ },
  { args: 'train --data text.txt --weights sparse', code: 78, says: /sparse: weights with 4 masks.*kept.*off.*config/ },
  { args: 'verify --data text.txt --weights sparse', code: 78, says: /sparse: weights with 4 masks.*kept.*off.*config/ },
  { args: 'train --data text.txt --weights sparse --sparsity 0.5', code: 78, says: /--sparsity.*0\.5.*kept or off.*static masks of their own/ },
  { args: 'train --data text.txt --weights sparse --sparsity 0.5 --sparsity-algorithm set --sparsity-init topk', code: 78, says: /--sparsity-init has no effect beside the masks/ },
  { args: 'train --data text.txt --weights half --sparsity kept', code: 1, says: /half.sparsity\.safetensors: the masks of sparse weights are missing/ },
  { args: 'train --data text.txt --sparsity 0.5 --sparse-layout compact', code: 78, says: /--sparse-layout has no effect without --save/ },
  { args: 'train --data text.txt --save out --sparse-layout compact', code: 78, says: /--sparse-layout has no effect where nothing is sparse/ },
  { args: 'train --data text.txt --sparsity 0.5 --save taken.safetensors', code: 78, says: /taken\.sparsity\.safetensors: option --save: a file that is none of masks/ },
  { args: 'train --data text.txt --sparsity 0.5 --save a.sparsity.safetensors', code: 78, says: /--save: a name that masks have/ },
  { args: 'train --data text.txt --model gpt --sparsity 0.5 --sparse-layout compact --save sharded', code: 78, says: /sharded.model\.safetensors\.index\.json: option --save/ },
  { args: 'demo --sparsity 0.5', code: 78, says: /unknown option '--sparsity'/ },
  { args: 'prune', code: 78, says: /no weights.*--weights/ },
  { args: 'prune --weights small --sparsity 0.5', code: 78, says: /nowhere to save.*--save/ },
  { args: 'prune --weights small --save out', code: 78, says: /no sparsity.*--sparsity with a number/ },
  { args: 'prune --weights small --save out --sparsity kept', code: 78, says: /--sparsity kept prunes nothing/ },
  { args: 'prune --weights small --save out --sparsity rules.json --sparsity-pattern 2:4', code: 78, says: /--sparsity-pattern belongs to --sparsity with a number/ },
  { args: 'prune --weights small --save out --sparsity nowhere.json', code: 1, says: /nowhere\.json: no such file/ },
  { args: 'prune --weights small --save out --sparsity 0.5 --model byte-lm', code: 78, says: /byte-lm is not pruned.*transformer/ },
  { args: 'prune --weights nowhere --save out --sparsity 0.5', code: 1, says: /nowhere: no such file/ },
  { args: 'prune --weights half --save out --sparsity 0.5', code: 1, says: /the masks of sparse weights are missing/ },
  { args: 'prune --weights small --save out --sparsity 0.5 --sparsity-algorithm rigl', code: 78, says: /unknown option '--sparsity-algorithm'/ },
  { args: 'inspect half', code: 1, says: /half.sparsity\.safetensors: the masks of sparse weights are missing/ },
  { args: 'generate --weights compact.safetensors --model gpt --prompt a', code: 1, says: /compact\.safetensors: / },
  // inspect and generate
  { args: 'inspect', code: 78, says: /missing required argument 'path'/ },
  { args: 'inspect nowhere', code: 1, says: /nowhere: no such file/ },
  { args: 'inspect text.txt', code: 1, says: /text\.txt/ },
  { args: 'inspect cut.safetensors', code: 1, says: /cut\.safetensors/ },
  { args: 'inspect empty', code: 1, says: /empty: no model\.safetensors/ },
  { args: 'inspect other.safetensors more', code: 78, says: /too many arguments/ },
  { args: 'generate --weights empty', code: 78, says: /no prompt.*--prompt/ },
  { args: 'generate --prompt a', code: 78, says: /no weights.*--weights/ },
  { args: 'generate --prompt a --prompts tiny.txt', code: 78, says: /--prompt beside --prompts/ },
  { args: 'generate --prompts nowhere', code: 1, says: /nowhere: option --prompts/ },
  { args: 'generate --prompts nothing.txt', code: 78, says: /--prompts: no prompt in the file/ },
  { args: 'generate --weights other.safetensors --prompt a', code: 78, says: /no model for the weights/ },
  { args: 'generate --weights nowhere.safetensors --prompt a', code: 1, says: /nowhere.safetensors: no such file or folder.*check the path/ },
  { args: 'generate --weights other.safetensors --model byte-lm --prompt a', code: 78, says: /byte-lm generates no text/ },
  { args: 'generate --weights other.safetensors --model gpt --prompt a --temperature 0 --top-k 3', code: 78, says: /--top-k has no effect with --temperature 0/ },
  { args: 'generate --weights other.safetensors --model gpt --prompt a', code: 1, says: /other\.safetensors: tensor/ },
  { args: 'generate --weights other.safetensors --config config300.json --prompt a', code: 78, says: /no tokenizer for the 300 tokens/ },
  { args: 'generate --weights small --prompt= ', code: 78, says: /prompt 1 is empty/ },
  { args: 'generate --weights small --prompt abcdefghijklmnop', code: 78, says: /prompt 1 has no room.*16.*15 tokens/ },
  { args: 'generate --weights small --prompt abc --max-tokens 14', code: 78, says: /--max-tokens.*14.*13/ },
  { args: 'generate --weights small --prompt abc --top-k 257', code: 78, says: /--top-k.*257.*256 tokens/ },
  { args: 'generate --weights small --prompt abc --rows 1 --cols 1', code: 78, says: /needs \d+ bytes and \d+ are there/ },
  { args: 'plan', code: 78, says: /no model.*--model.*--config/ },
  { args: 'plan --model mlp', code: 78, says: /a plan of --model mlp/ },
  { args: 'plan --model gpt2 --data text.txt', code: 78, says: /unknown option '--data'/ },
  { args: 'plan --model gpt2 --machine wse4', code: 78, says: /no machine of that name.*wse4.*wse2/ },
  { args: 'plan --model gpt2 --machine nowhere.yaml', code: 1, says: /nowhere\.yaml/ },
  { args: 'plan --model gpt2 --machine rules.json', code: 78, says: /algorithm/ },
  { args: 'plan --model gpt2 --rectangle 0x5', code: 78, says: /--rectangle.*'0x5'.*64x32/ },
  { args: 'plan --model gpt2 --rectangle 5000x1', code: 78, says: /5000/ },
  { args: 'plan --model gpt2 --generate 8', code: 78, says: /--generate.*'8'.*8x512\+128/ },
  { args: 'plan --model gpt2 --generate 1x8+8 --optimizer sgd', code: 78, says: /--optimizer.*--generate/ },
  { args: 'plan --model gpt2 --generate 1x8+8 --scaling', code: 78, says: /a curve beside --generate/ },
  { args: 'plan --model gpt2 --generate 1x1000+1000', code: 78, says: /prompts\[0\].*1000.*24/ },
  { args: 'plan --model gpt2 --scaling linear', code: 78, says: /--scaling.*'linear'.*weak or strong/ },
  { args: 'plan --model gpt2 --sparsity 0.5 --sparsity-curve', code: 78, says: /--sparsity beside --sparsity-curve/ },
  { args: 'plan --model gpt2 --report images', code: 78, says: /--report: a folder stands there/ },
  { args: 'plan --model gpt2 --trace nowhere/trace.json', code: 78, says: /--trace: nothing can be written there/ },
  { args: 'train --data text.txt --machine wse2', code: 78, says: /--machine has no effect without --report, --trace/ },
  { args: 'train --data text.txt --report images', code: 78, says: /--report: a folder stands there/ },
  { args: 'sweep', code: 78, says: /nothing varies.*--set/ },
  { args: 'sweep missing.yaml', code: 1, says: /missing\.yaml: no such file/ },
  { args: 'sweep rules.json', code: 78, says: /rules\.json: field algorithm.*kind, base, grid, list/ },
  { args: 'sweep --model gpt2 --set numCsx', code: 78, says: /--set.*'numCsx'.*parameter=values/ },
  { args: 'sweep --model gpt2 --set numCsx=', code: 78, says: /an empty value of numCsx/ },
  { args: 'sweep --model gpt2 --set numCsx=4..1', code: 78, says: /range of numCsx/ },
  { args: 'sweep --model gpt2 --set numcsx=1', code: 78, says: /unknown parameter.*'numcsx'.*numCsx/ },
  { args: 'sweep --model gpt2 --set machine.swarmX.latency=1', code: 78, says: /unknown parameter.*did you mean machine\.swarmX\.\w+/ },
  { args: 'sweep --model gpt2 --num-csx 2 --set numCsx=1,2', code: 78, says: /--num-csx is given, and numCsx varies/ },
  { args: 'sweep --model gpt2 --set numCsx=1,2 --zip', code: 78, says: /--zip has no effect/ },
  { args: 'sweep --model gpt2 --set numCsx=1,2 --set batchSize=1 --zip', code: 78, says: /values of batchSize in a list/ },
  { args: 'sweep --model gpt2 --set numCsx=0,193', code: 78, says: /all 2 points are refused.*--num-csx/ },
  { args: 'sweep --model gpt2 --set machine.swarmX.nodeLatencySeconds=-1', code: 78, says: /all 1 points are refused.*swarmX\.nodeLatencySeconds/ },
  { args: 'sweep --kind train --data text.txt --set seed=1,2', code: 78, says: /without a folder.*--folder/ },
  { args: 'sweep --kind train --folder runs --data missing.txt --set seed=1,2', code: 1, says: /missing\.txt/ },
  { args: 'sweep --kind train --folder runs --set save=a,b', code: 78, says: /unknown parameter.*'save'/ },
  { args: 'sweep --model gpt2 --set numCsx=1,2 --jobs 0', code: 78, says: /--jobs/ },
  { args: 'sweep --model gpt2 --set numCsx=1,2 --folder text.txt', code: 1, says: /text\.txt/ },
  { args: 'demo --model mlp', code: 78, says: /unknown option '--model'/ },
];

describe('bad input', { concurrency: 2 }, () => {
  for (const { args, code, says } of cases) {
    test(`waferstream ${args}`, async () => {
      const ended = await waferstream(args.split(' ').filter((arg) => arg !== ''), { cwd: root });
      assert.equal(ended.signal, null);
      assert.equal(ended.stdout, '');
      assert.match(ended.stderr, /^waferstream: [^\n]+\n$/, 'one line');
      assert.match(ended.stderr, says);
      assert.doesNotMatch(ended.stderr, /\bat .*:\d+:\d+|Error:|undefined|\[object/);
      assert.equal(ended.code, code);
    });
  }
});
