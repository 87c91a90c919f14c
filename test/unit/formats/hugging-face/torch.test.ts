/** What is trained here opens in PyTorch: a checkpoint is read by Python's standard library and torch, its config compared and its stack run. Not here: the way back, which the golden files are. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCheckpoint, writeCheckpoint } from '../../../../src/formats/hugging-face/checkpoint.js';
import { referenceForward } from '../../../../src/reference/step.js';
import { referenceTrain } from '../../../../src/reference/train.js';
import { projectRoot } from '../../../support/golden.js';
import { loadTransformer } from '../../../support/golden-transformers.js';

const python = ['python3', '/usr/bin/python3'].find((program) => spawnSync(program, ['-c', 'import torch, numpy']).status === 0);
const skip = python === undefined && 'no python3 with torch and numpy';
const run = (program: string, args: readonly string[]): { readonly loss: number; readonly types: readonly string[]; readonly dtype: string } => {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as ReturnType<typeof run>;
};

for (const family of ['gpt2', 'llama'] as const) {
  test(`${family}: weights trained here give the same loss in PyTorch`, { skip }, async () => {
    const golden = await loadTransformer(family), { model, batches, batch } = golden, [first] = golden.runs;
    const at = await mkdtemp(join(tmpdir(), 'waferstream-torch-'));
    try {
      const trained = referenceTrain({ model, parameters: golden.parameters.map(({ data }) => data), optimizer: first?.optimizer ?? assert.fail('no run'), steps: 3, batchAt: (step) => batches[step] ?? batch });
      const weights = golden.parameters.map((tensor, i) => ({ ...tensor, data: Float32Array.from(trained.parameters[i] ?? []) }));
      for (const [dtype, name] of [['F32', 'float32'], ['F16', 'float16'], ['BF16', 'bfloat16']] as const) {
        await writeCheckpoint(model, weights, at, { dtype });
        const theirs = run(python ?? '', [join(projectRoot(), 'test', 'support', 'torch_loss.py'), join(projectRoot(), 'test', 'golden'), family, at]);
        const ours = referenceForward(model, (await readCheckpoint(model, at)).weights.map(({ data }) => data), batch).loss.value[0] ?? NaN;
        assert.deepEqual([theirs.types, theirs.dtype], [[dtype], name]);
        // Both in f64, on the same bits.
        assert.ok(Math.abs(theirs.loss - ours) < 1e-13 * ours, `${dtype}: ${ours} and torch ${theirs.loss}`);
        assert.ok(Math.abs(theirs.loss - golden.loss) > 1e-3, 'training changed the loss');
      }
    } finally {
      await rm(at, { recursive: true, force: true });
    }
  });
}
