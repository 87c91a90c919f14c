/** safetensors against an implementation in another language: Python's standard library alone, both ways, byte for byte. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeCheckpoint } from '../../../../src/formats/hugging-face/checkpoint.js';
import { openSafetensors } from '../../../../src/formats/safetensors/open.js';
import { writeSafetensors } from '../../../../src/formats/safetensors/write.js';
import { exactBits, masksOf, sparseModels, sparseWeights } from '../sparse-cases.js';
import { naiveRead } from './bytes.js';

/**
 * Usage: read FILE prints names, dtypes, shapes and values; write FILE packs what stdin describes; masks WEIGHTS FILE prints the masks of a dense checkpoint; expand FILE the sparse weights of
 * a compact one. Values of BF16 are cut floats.
 */
const script = `
import json, struct, sys

CODE = {'F32': ('f', 4), 'F16': ('e', 2), 'BF16': ('H', 2), 'U8': ('B', 1), 'U16': ('H', 2), 'U32': ('I', 4)}

def read(path):
    raw = open(path, 'rb').read()
    (length,) = struct.unpack('<Q', raw[:8])
    assert (8 + length) % 8 == 0
    header = json.loads(raw[8:8 + length].decode('utf-8'))
    metadata = header.pop('__metadata__', {})
    out = []
    for name, info in header.items():
        assert list(info) == ['dtype', 'shape', 'data_offsets']
        begin, end = info['data_offsets']
        code, size = CODE[info['dtype']]
        values = struct.unpack('<%d%s' % ((end - begin) // size, code), raw[8 + length + begin:8 + length + end])
        if info['dtype'] == 'BF16':
            values = [struct.unpack('<f', struct.pack('<I', v << 16))[0] for v in values]
        out.append({'name': name, 'dtype': info['dtype'], 'shape': info['shape'], 'values': list(values)})
    return {'metadata': metadata, 'tensors': out}

def write(path, content):
    order = {'F32': 0, 'U32': 1, 'BF16': 2, 'F16': 3, 'U16': 4, 'U8': 5}
    header, data = {}, b''
    if content['metadata']:
        header['__metadata__'] = content['metadata']
    for t in sorted(content['tensors'], key=lambda t: (order[t['dtype']], t['name'].encode('utf-8'))):
        if t['dtype'] == 'BF16':
            packed = b''.join(struct.pack('<f', v)[2:] for v in t['values'])
        else:
            packed = struct.pack('<%d%s' % (len(t['values']), CODE[t['dtype']][0]), *t['values'])
        header[t['name']] = {'dtype': t['dtype'], 'shape': t['shape'], 'data_offsets': [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header, ensure_ascii=False, separators=(',', ':')).encode('utf-8')
    text += b' ' * (-len(text) % 8)
    open(path, 'wb').write(struct.pack('<Q', len(text)) + text + data)

def stored(bits, size):
    return [bits[i // 8] >> (i % 8) & 1 for i in range(size)]

def masks(weights, path):
    # A Conv1D of GPT-2 lies as the masks do: inputs by outputs.
    values = {t['name']: t['values'] for t in read(weights)['tensors']}
    out = {}
    found = read(path)
    shapes = json.loads(found['metadata']['shapes'])
    for t in found['tensors']:
        rows, columns = shapes[t['name']]
        mask = stored(t['values'], rows * columns)
        weight = values['transformer.' + t['name']]
        assert len(weight) == rows * columns and all(one or w == 0 for one, w in zip(mask, weight))
        out[t['name']] = mask
    return out

def expand(path):
    found = read(path)
    parts = {t['name']: t['values'] for t in found['tensors']}
    out = {}
    for name, (rows, columns) in json.loads(found['metadata']['shapes']).items():
        dense, mask = [0.0] * (rows * columns), [0] * (rows * columns)
        starts = parts[name + '.row_starts']
        for row in range(rows):
            for k in range(starts[row], starts[row + 1]):
                at = row * columns + parts[name + '.columns'][k]
                dense[at], mask[at] = parts[name + '.values'][k], 1
        out[name] = {'dense': dense, 'mask': mask}
    return out

if sys.argv[1] == 'read':
    print(json.dumps(read(sys.argv[2])))
elif sys.argv[1] == 'masks':
    print(json.dumps(masks(sys.argv[2], sys.argv[3])))
elif sys.argv[1] == 'expand':
    print(json.dumps(expand(sys.argv[2])))
else:
    write(sys.argv[2], json.loads(sys.stdin.buffer.read().decode('utf-8')))
`;

const python = ['python3', '/usr/bin/python3'].find((command) => spawnSync(command, ['-c', 'import json, struct']).status === 0);
const skip = python === undefined ? 'no python3 on this machine' : false;

let root = '', program = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-python-'));
  program = join(root, 'naive.py');
  await writeFile(program, script);
});
after(() => rm(root, { recursive: true }));

const run = (args: readonly string[], input = ''): string => execFileSync(python ?? '', [program, ...args], { input, encoding: 'utf8' });

const names = ['transformer.h.0.attn.c_attn.weight', 'transformer.h.10.ln_1.bias', 'transformer.h.2.ln_1.bias', 'Größe', '\u{1F600}', '\uffee', 'quote"\\', 'empty', 'scalar'];
const tensors = names.map((name, i) => {
  const shape = name === 'empty' ? [2, 0] : name === 'scalar' ? [] : [i + 1, 3];
  const length = shape.reduce((a, b) => a * b, 1);
  // Exact in all three dtypes.
  return { name, shape, data: Float32Array.from({ length }, (_, j) => ((7 * i + j) % 33) / 16 - 1) };
});
const metadata = { format: 'pt', made: 'here' };

describe('another implementation', { skip }, () => {
  for (const dtype of ['F32', 'F16', 'BF16'] as const) {
    const content = { metadata, tensors: tensors.map(({ name, shape, data }) => ({ name, dtype, shape, values: [...data] })) };

    test(`reads our ${dtype} file, and writes the same bytes`, async () => {
      const ours = join(root, `ours-${dtype}.safetensors`), theirs = join(root, `theirs-${dtype}.safetensors`);
      await writeSafetensors(ours, tensors, { dtype, metadata });
      const read = JSON.parse(run(['read', ours])) as typeof content;
      const byName = (list: typeof content.tensors): typeof content.tensors => list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      assert.deepEqual({ metadata: read.metadata, tensors: byName(read.tensors) }, { metadata, tensors: byName(content.tensors) });
      run(['write', theirs], JSON.stringify(content));
      assert.deepEqual(await readFile(theirs), await readFile(ours));
    });
  }

  test('tells stored zeros from absent weights in both layouts of a sparse checkpoint, and writes the same bytes', async () => {
    const net = sparseModels.gpt, masks = masksOf(net, (i) => [0, 0.3, 1, 0.7][i] ?? null), weights = sparseWeights(net, masks, exactBits);
    const whole = new Map(masks.map(({ name, mask }) => [name, [...mask]])), names = masks.map(({ name }) => name);
    for (const dtype of ['F32', 'F16', 'BF16'] as const) {
      const dense = join(root, `dense-${dtype}.safetensors`), compact = join(root, `compact-${dtype}.safetensors`), theirs = join(root, 'theirs.safetensors');
      await writeCheckpoint(net, weights, dense, { masks, dtype });
      await writeCheckpoint(net, weights, compact, { masks, dtype, layout: 'compact' });
      const found = JSON.parse(run(['masks', dense, dense.replace('.safetensors', '.sparsity.safetensors')])) as Record<string, number[]>;
      assert.deepEqual(new Map(Object.entries(found).toSorted()), new Map([...whole].toSorted()));
      const expanded = JSON.parse(run(['expand', compact])) as Record<string, { readonly dense: number[]; readonly mask: number[] }>;
      assert.deepEqual(Object.keys(expanded), names);
      for (const name of names) assert.deepEqual([expanded[name]?.mask, expanded[name]?.dense.map((value) => value + 0)], [whole.get(name), [...weights.find((tensor) => tensor.name === name)?.data ?? []].map((value) => value + 0)]);
      run(['write', theirs], run(['read', compact]));
      const [a, b] = await Promise.all([readFile(theirs), readFile(compact)]);
      // Order of metadata aside, which is theirs to choose.
      const data = (bytes: Buffer): Buffer => bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
      assert.deepEqual(data(a), data(b));
      assert.deepEqual([...(naiveRead(a)?.keys() ?? [])], [...(naiveRead(b)?.keys() ?? [])]);
    }
  });

  test('writes a file of several dtypes, which we read', async () => {
    const path = join(root, 'mixed.safetensors');
    const dtypes = ['F32', 'F16', 'BF16'] as const;
    const content = { metadata: {}, tensors: tensors.map(({ name, shape, data }, i) => ({ name, dtype: dtypes[i % 3], shape, values: [...data] })) };
    run(['write', path], JSON.stringify(content));
    await using file = await openSafetensors(path);
    assert.equal(file.tensors.size, tensors.length);
    for (const [i, { name, shape, data }] of tensors.entries()) {
      const into = new Float32Array(data.length);
      await file.read(name, into);
      assert.deepEqual([file.tensors.get(name)?.dtype, file.tensors.get(name)?.shape, into], [dtypes[i % 3], shape, data]);
    }
  });
});
